/** What an admin can do with a person. */
import { useState } from "react"
import { MergeDialog } from "../identity/merge.tsx"
import { SplitDialog } from "../identity/split.tsx"
import type { Profile } from "../lib/api.ts"
import { EraseDialog } from "../privacy/erase.tsx"
import { useExport } from "../privacy/queries.ts"
import { SuppressDialog } from "../privacy/suppress.tsx"
import { announce } from "../ui/announced.tsx"
import { Menu } from "../ui/menu.tsx"
import { identifierOf, nameOf } from "./names.ts"
import { SendDialog } from "./send.tsx"

type Doing = "send" | "merge" | "split" | "suppress" | "erase"

export function Actions({ of }: { of: Profile }) {
  const [doing, setDoing] = useState<Doing>()
  const place = `person ${of.id}`
  const file = useExport(of.id, identifierOf(of))
  const close = () => setDoing(undefined)

  function take(): void {
    file.mutate(undefined, {
      onSuccess: () => announce(place, <p>Everything that is stored of this person is in the downloaded file.</p>),
      onError: (problem) => announce(place, <p>The export failed: {problem.message}</p>),
    })
  }

  return (
    <>
      <Menu title={file.isPending ? "Exporting…" : "Actions"} disabled={file.isPending}>
        {(shut) => {
          const start = (what: Doing) => () => {
            shut()
            setDoing(what)
          }
          return (
            <>
              <button type="button" onClick={start("send")}>
                Send an event…
              </button>
              <button type="button" onClick={start("merge")}>
                Merge with another…
              </button>
              {of.identifiers.length > 1 && (
                <button type="button" onClick={start("split")}>
                  Split identifiers off…
                </button>
              )}
              <button
                type="button"
                onClick={() => {
                  shut()
                  take()
                }}
              >
                Export everything
              </button>
              {of.identifiers.length > 0 && (
                <button type="button" onClick={start("suppress")}>
                  Reject messages…
                </button>
              )}
              <button type="button" onClick={start("erase")}>
                Erase or anonymise…
              </button>
            </>
          )
        }}
      </Menu>
      {doing === "send" && <SendDialog of={of} onClose={close} />}
      {doing === "merge" && <MergeDialog of={of} onClose={close} />}
      {doing === "split" && <SplitDialog of={of} onClose={close} />}
      {doing === "suppress" && <SuppressDialog identifiers={of.identifiers} place={place} onClose={close} />}
      {doing === "erase" && (
        <EraseDialog
          title={`Erase ${nameOf(of)}?`}
          profiles={[`profileId:${of.id}`]}
          typed={identifierOf(of)}
          onClose={close}
        />
      )}
    </>
  )
}
