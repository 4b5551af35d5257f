/** Another version was published while a draft was written: both are shown, and nothing is overwritten. */
import type { ReactNode } from "react"
import type { Version } from "../lib/api.ts"
import { difference } from "../lib/difference.ts"
import { Diff } from "./diff.tsx"
import { When } from "./parts.tsx"

/** One field that differs, in the version that the draft began from, in the one that was published, and in the draft. */
export interface Differing {
  title: string
  base: ReactNode
  theirs: ReactNode
  yours: ReactNode
}

export function Conflict(props: {
  base: Version | undefined
  theirs: Version
  /** Nothing while the draft cannot be compared; `instead` says why. */
  differing: Differing[] | undefined
  instead?: string
  /** What both changed. */
  clashes: string[]
  onGoOn: () => void
  onTakeTheirs: () => void
}) {
  const { base, theirs, differing, clashes } = props
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
        {differing?.map((field) => (
          <div key={field.title} className="three">
            <h3>{field.title}</h3>
            <dl>
              <dt>Base{base && `, version ${base.version}`}</dt>
              <dd>{field.base}</dd>
              <dt>Theirs, version {theirs.version}</dt>
              <dd>{field.theirs}</dd>
              <dt>Yours</dt>
              <dd>{field.yours}</dd>
            </dl>
          </div>
        ))}
        {!differing && <p>{props.instead}</p>}
        <div className="conflict-foot">
          {differing && (
            <button type="button" className="button primary" onClick={props.onGoOn}>
              {clashes.length === 0 ? "Keep both changes" : "Go on with yours"}
            </button>
          )}
          <button type="button" className="button" onClick={props.onTakeTheirs}>
            Take theirs
          </button>
          {differing && (
            <p className="mute small">
              {clashes.length === 0
                ? "They changed other fields than you. Nothing is published yet."
                : `Both changed ${clashes.join(", ")}: yours stays in the editor, as a change of their version. Nothing is published yet.`}
            </p>
          )}
        </div>
      </div>
    </section>
  )
}

/** The same of a document that is one text: how both texts differ, and whose goes on. */
export function Moved(props: {
  by: string | null
  version: number
  theirs: string
  mine: string
  goOn: () => void
  takeTheirs: () => void
}) {
  return (
    <div className="notice warn moved" role="alert">
      <p>
        {props.by} published version {props.version} after you began. Your text is kept. This is how it differs from
        theirs:
      </p>
      <Diff text={difference(props.theirs, props.mine)} />
      <p className="moved-foot">
        <button type="button" className="button" onClick={props.goOn}>
          Go on with mine
        </button>
        <button type="button" className="button" onClick={props.takeTheirs}>
          Take theirs
        </button>
      </p>
    </div>
  )
}
