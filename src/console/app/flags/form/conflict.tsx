/** The conflict of a flag. */
import { Versions } from "../../editor/versions.tsx"
import type { FlagBody } from "../../lib/api.ts"
import { isSameJson, written } from "../../lib/json.ts"
import { Conflict } from "../../ui/conflict.tsx"
import { merged } from "./document.ts"

export function FlagConflict(props: {
  flag: string
  base: number
  version: number
  /** Nothing while the draft's text is no document. */
  mine: FlagBody | undefined
  onGoOn: (document: FlagBody) => void
  onTakeTheirs: () => void
}) {
  const { mine } = props
  return (
    <Versions kind="flags" name={props.flag} base={props.base} version={props.version}>
      {(base, theirs) => {
        // Without the version that it began from, all of it counts as changed by both.
        const began = (base?.document ?? {}) as FlagBody
        const published = theirs.document as FlagBody
        const { document, clashes } = merged(began, published, mine ?? {})
        return (
          <Conflict
            base={base}
            theirs={theirs}
            differing={
              mine &&
              differing(began, published, mine).map((field) => ({
                title: field,
                base: <Said of={began[field]} />,
                theirs: <Said of={published[field]} />,
                yours: <Said of={mine[field]} />,
              }))
            }
            instead="Mend its text first: until then both versions cannot be compared."
            clashes={clashes}
            onGoOn={() => props.onGoOn(document)}
            onTakeTheirs={props.onTakeTheirs}
          />
        )
      }}
    </Versions>
  )
}

function differing(began: FlagBody, published: FlagBody, mine: FlagBody): (keyof FlagBody)[] {
  const fields = [...new Set([began, published, mine].flatMap(Object.keys))] as (keyof FlagBody)[]
  return fields.filter(
    (field) => !isSameJson(mine[field], published[field]) || !isSameJson(published[field], began[field]),
  )
}

function Said({ of }: { of: unknown }) {
  if (of === undefined || of === "") return <span className="mute">empty</span>
  if (typeof of === "string") return <span className="break">{of}</span>
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <pre className="code" tabIndex={0}>
      {written(of, 2)}
    </pre>
  )
}
