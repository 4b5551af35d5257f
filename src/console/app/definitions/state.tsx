import { count } from "../lib/format.ts"
import { Badge } from "../ui/parts.tsx"
import type { Definition } from "./kinds.ts"

/** What is not ordinary about a definition: it is computed anew, a list, or retired. */
export function State({ of }: { of: Definition }) {
  const { progress } = of
  return (
    <>
      {of.status !== "live" && (
        <Badge tone="info">computing{progress ? ` ${count(progress.done)} of ${count(progress.total)}` : ""}</Badge>
      )}
      {"static" in of && of.static && <Badge>list</Badge>}
      {"document" in of && of.document.archived && <Badge>archived</Badge>}
    </>
  )
}
