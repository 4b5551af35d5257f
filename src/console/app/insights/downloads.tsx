/** An answer as a file: tables and JSON from the server, the chart from the page. */
import { useMutation } from "@tanstack/react-query"
import type { RefObject } from "react"
import { pngOf, svgOf } from "../charts/files.ts"
import type { ExportRequest } from "../lib/api.ts"
import { address, answered } from "../lib/client.ts"
import { save } from "../lib/save.ts"
import { Menu } from "../ui/menu.tsx"
import { type OfKind, shortest } from "./query/question.ts"

type Format = NonNullable<ExportRequest["format"]>

const TABLES: { format: Format; title: string }[] = [
  { format: "csv", title: "CSV" },
  { format: "xlsx", title: "Excel" },
  { format: "parquet", title: "Parquet" },
  { format: "json", title: "JSON" },
]

/** A browser sends no key with a link, so the file is fetched and then handed over. */
export function useDownload() {
  return useMutation({
    mutationFn: async ({ question, format }: { question: OfKind; format: Format }) => {
      const body = { question: shortest(question), format }
      const answer = await answered(address(["analytics", "export"]), { method: "POST", body })
      const name = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1]
      save(await answer.blob(), name ?? `${question.kind}.${format}`)
    },
  })
}

export function Downloads(props: {
  question: OfKind
  title: string
  /** Where the chart is, if there is one. */
  place: RefObject<HTMLElement | null>
  download: ReturnType<typeof useDownload>
}) {
  const { question, title, place, download } = props

  const drawn = () => place.current?.querySelector<SVGSVGElement>("svg.chart")

  /** As the page shows it; the server draws what is no single chart there. */
  async function draw(form: "svg" | "png"): Promise<void> {
    const chart = drawn()
    if (!chart) return download.mutate({ question, format: "png" })
    if (form === "svg") save(new Blob([svgOf(chart, title)], { type: "image/svg+xml" }), `${question.kind}.svg`)
    else save(await pngOf(chart, title), `${question.kind}.png`)
  }

  return (
    <Menu title={download.isPending ? "Exporting…" : "Export"} disabled={download.isPending}>
      {(close) => (
        <>
          {TABLES.map(({ format, title }) => (
            <button
              key={format}
              type="button"
              onClick={() => {
                close()
                download.mutate({ question, format })
              }}
            >
              {title} <small>the table</small>
            </button>
          ))}
          {(drawn() ? (["png", "svg"] as const) : (["png"] as const)).map((form) => (
            <button
              key={form}
              type="button"
              onClick={() => {
                close()
                draw(form)
              }}
            >
              {form.toUpperCase()} <small>the chart</small>
            </button>
          ))}
        </>
      )}
    </Menu>
  )
}
