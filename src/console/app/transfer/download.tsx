/** Files that the browser saves by itself: each by an address that opens once. */
import { useMutation } from "@tanstack/react-query"
import type { DownloadAddress } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"

const DOWNLOADS = ["admin", "downloads"]

/** Asks for an address of the file at this path, and opens it. The file goes to the disk and not through the page. */
export function useFile() {
  return useMutation({
    mutationFn: async (path: string) => {
      const { url } = await ask<DownloadAddress>(address(DOWNLOADS), { method: "POST", body: { path } })
      const link = document.createElement("a")
      link.href = new URL(url).pathname
      link.download = ""
      link.click()
    },
  })
}

export type FileOf = ReturnType<typeof useFile>

/** Buttons for the formats of one file. */
export function Formats(props: {
  of: string
  file: FileOf
  /** The file cannot be made now, and something beside says why. */
  disabled?: boolean
  formats: { title: string; path: string }[]
}) {
  return (
    <span className="formats">
      {props.formats.map(({ title, path }) => (
        <button
          key={path}
          type="button"
          className="button small"
          aria-label={`${props.of} as ${title}`}
          disabled={props.disabled || props.file.isPending}
          onClick={() => props.file.mutate(path)}
        >
          {title}
        </button>
      ))}
    </span>
  )
}
