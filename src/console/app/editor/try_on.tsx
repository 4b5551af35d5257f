/** What a draft gives one person at an instant, beside what is live: the evaluator's own trees. */
import type { ReactNode } from "react"
import { type Asked, Asking, useAsked } from "../explained/asking.tsx"
import { useExplainedFor, type Wanted } from "../explained/queries.ts"
import { Tree } from "../explained/tree.tsx"
import type { DefinitionExplanation, Explained } from "../lib/api.ts"
import { value, whole } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { useRested } from "../lib/rested.ts"
import { Answered, Badge, Panel, When } from "../ui/parts.tsx"

const REST_MS = 400

interface TryOnProps {
  kind: "trait" | "segment"
  /** The key; "" while it has none. */
  name: string
  /** What serves; nothing for a new definition. */
  live: string | undefined
  /** The newest valid text, if it differs from what serves. */
  draft: string | undefined
  /** The text was changed since, and is not valid yet. */
  stale: boolean
}

export function TryOn({ kind, name, live, draft, stale }: TryOnProps) {
  const [asked, ask] = useAsked()
  const rested = useRested(draft, REST_MS)
  return (
    <Panel title="Try on" aside={<span className="mute">one person, at an instant</span>}>
      <Asking asked={asked} ask={ask} context={false} />
      {asked.person === "" ? (
        <p className="mute simulate-hint">Name a person to see what they get, why, and until when. Nothing is saved.</p>
      ) : (
        <div className="tried" aria-live="polite">
          {draft !== undefined && (
            <Side
              title="The draft"
              wanted={{ kind, name, expression: rested ?? draft }}
              asked={asked}
              old={stale || rested !== draft}
              note={stale && <Badge tone="warn">an earlier text</Badge>}
            />
          )}
          {live !== undefined && <Side title="What is live" wanted={{ kind, name }} asked={asked} />}
          {draft === undefined && live === undefined && (
            <p className="mute">It is asked as soon as the text is valid.</p>
          )}
        </div>
      )}
    </Panel>
  )
}

interface SideProps {
  title: string
  wanted: Wanted
  asked: Asked
  old?: boolean
  note?: ReactNode
}

function Side({ title, wanted, asked, old = false, note }: SideProps) {
  const answer = useExplainedFor(wanted, asked, true)
  return (
    <section aria-label={title} data-stale={old || answer.isPlaceholderData || undefined}>
      <h3>
        {title} {note}
      </h3>
      <Answered answer={answer} lines={4}>
        {(explained) =>
          explained.definition ? <Account of={explained} definition={explained.definition} /> : <p>No definition.</p>
        }
      </Answered>
    </section>
  )
}

function Account({ of, definition }: { of: Explained; definition: DefinitionExplanation }) {
  const zone = useZone()
  const { until } = definition
  return (
    <>
      <p className="result">
        <b className="variant">{said(definition)}</b>
        <span className="mute">{of.tense === "now" ? "now" : "then"}</span>
        {definition.backfilling && <Badge tone="info">computing</Badge>}
      </p>
      <p className="small mute">
        {until === null ? (
          "It changes only by an event or an edit."
        ) : (
          <>
            Until {whole(until, zone)} (<When at={until} />) by itself.
          </>
        )}
        {of.profileId === null && " No event of this person is known."}
        {of.tense !== "now" && ` As of ${whole(of.asOf, zone)}${of.tense === "future" ? ", if nothing arrives" : ""}.`}
      </p>
      <Tree of={definition.tree} />
    </>
  )
}

/** A segment has members; a trait has a value. What is unknown is not `no`. */
function said({ kind, value: given }: DefinitionExplanation): string {
  if (given === null || given === undefined) return "unknown"
  if (kind === "segment") return given === true ? "member" : "no member"
  return typeof given === "boolean" ? (given ? "yes" : "no") : value(given)
}
