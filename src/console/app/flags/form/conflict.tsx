/** Another version was published while this draft was written: both are shown, and nothing is overwritten. */
import { useVersions } from "../../definitions/queries.ts"
import type { FlagBody, Version } from "../../lib/api.ts"
import { isSameJson, written } from "../../lib/json.ts"
import { Answered, Waiting, When } from "../../ui/parts.tsx"
import { merged } from "./document.ts"

interface ConflictProps {
  flag: string
  base: number
  version: number
  /** Nothing while the draft's text is no document. */
  mine: FlagBody | undefined
  onGoOn: (document: FlagBody) => void
  onTakeTheirs: () => void
}

export function Conflict({ flag, base, version, ...rest }: ConflictProps) {
  const answer = useVersions("flags", flag)
  return (
    <Answered answer={answer} lines={4}>
      {({ versions }) => {
        const theirs = versions.find((one) => one.version === version)
        if (!theirs) return <Waiting lines={4} />
        return <Both {...rest} base={versions.find((one) => one.version === base)} theirs={theirs} />
      }}
    </Answered>
  )
}

function Both(
  props: Omit<ConflictProps, "flag" | "base" | "version"> & { base: Version | undefined; theirs: Version },
) {
  const { base, theirs, mine } = props
  // Without the version that it began from, all of it counts as changed by both.
  const began = (base?.document ?? {}) as FlagBody
  const published = theirs.document as FlagBody
  return (
    <section className="conflict notice warn" aria-label="Conflict" role="alert">
      <div>
        <h2>
          {theirs.author} published version {theirs.version} <When at={theirs.publishedAt} />
        </h2>
        <p>
          Your draft began from version {base?.version ?? "an earlier one"}. It is kept, and nothing was overwritten.
          {theirs.note && <> Their note: “{theirs.note}”.</>}
        </p>
        {mine ? (
          <Differing {...props} mine={mine} began={began} published={published} />
        ) : (
          <>
            <p>Mend its text first: until then both versions cannot be compared.</p>
            <div className="conflict-foot">
              <button type="button" className="button" onClick={props.onTakeTheirs}>
                Take theirs
              </button>
            </div>
          </>
        )}
      </div>
    </section>
  )
}

interface DifferingProps {
  base: Version | undefined
  theirs: Version
  mine: FlagBody
  began: FlagBody
  published: FlagBody
  onGoOn: (document: FlagBody) => void
  onTakeTheirs: () => void
}

function Differing({ base, theirs, mine, began, published, onGoOn, onTakeTheirs }: DifferingProps) {
  const { document, clashes } = merged(began, published, mine)
  const fields = [...new Set([began, published, mine].flatMap(Object.keys))] as (keyof FlagBody)[]
  const differing = fields.filter(
    (field) => !isSameJson(mine[field], published[field]) || !isSameJson(published[field], began[field]),
  )
  return (
    <>
      {differing.map((field) => (
        <div key={field} className="three">
          <h3>{field}</h3>
          <dl>
            <dt>Base{base && `, version ${base.version}`}</dt>
            <dd>
              <Said of={began[field]} />
            </dd>
            <dt>Theirs, version {theirs.version}</dt>
            <dd>
              <Said of={published[field]} />
            </dd>
            <dt>Yours</dt>
            <dd>
              <Said of={mine[field]} />
            </dd>
          </dl>
        </div>
      ))}
      <div className="conflict-foot">
        <button type="button" className="button primary" onClick={() => onGoOn(document)}>
          {clashes.length === 0 ? "Keep both changes" : "Go on with yours"}
        </button>
        <button type="button" className="button" onClick={onTakeTheirs}>
          Take theirs
        </button>
        <p className="mute small">
          {clashes.length === 0
            ? "They changed other fields than you. Nothing is published yet."
            : `Both changed ${clashes.join(", ")}: yours stays in the editor, as a change of their version. Nothing is published yet.`}
        </p>
      </div>
    </>
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
