/** What a flag gives one person, at an instant, and why: the evaluator's own answer, rule by rule. */
import { type Asked, Asking, contextOf, useAsked } from "../explained/asking.tsx"
import { Tree } from "../explained/tree.tsx"
import type { Explained, FlagBody, FlagExplanation, PrerequisiteExplanation, RuleExplanation } from "../lib/api.ts"
import { value, whole } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { Holds } from "../ui/holds.tsx"
import { Answered, Badge, type Tone, When } from "../ui/parts.tsx"
import { useSimulation } from "./queries.ts"
import { Scales } from "./scale.tsx"

interface SimulateProps {
  flag: string
  /** What is live, or what is written. */
  document: FlagBody
  draft?: FlagBody
  /** There is nothing yet that could be asked. */
  waits?: boolean
  /** The draft is one of before the last edits. */
  stale?: boolean
}

export function Simulate({ flag, document, draft, waits = false, stale = false }: SimulateProps) {
  const [asked, ask] = useAsked()
  return (
    <section className="simulate panel" aria-label="Simulate">
      <header>
        <h2>Simulate</h2>
        {draft ? (
          <Badge tone="warn">{stale ? "an earlier draft" : "the draft"}</Badge>
        ) : (
          !waits && <span className="mute">what is live</span>
        )}
      </header>
      <Asking asked={asked} ask={ask} />
      {asked.person === "" ? (
        <p className="mute simulate-hint">
          Name a person to see what they get, why, and until when. Nothing is recorded.
        </p>
      ) : waits ? (
        <p className="mute simulate-hint">It is asked as soon as the flag is complete.</p>
      ) : (
        <Outcome flag={flag} asked={asked} ask={ask} document={draft ?? document} draft={draft} />
      )}
    </section>
  )
}

function Outcome(props: {
  flag: string
  asked: Asked
  ask: (change: Partial<Asked>) => void
  document: FlagBody
  draft?: FlagBody
}) {
  const { asked, document } = props
  const context = contextOf(asked.context)
  const answer = useSimulation({
    flag: props.flag,
    person: asked.person,
    by: asked.by,
    context: typeof context === "string" ? {} : context,
    at: asked.at || undefined,
    draft: props.draft,
  })
  return (
    <div className="outcome" aria-live="polite" data-stale={answer.isPlaceholderData || undefined}>
      <Answered answer={answer} lines={5}>
        {(explained) =>
          explained.flag ? (
            <Account of={explained} flag={explained.flag} document={document} ask={props.ask} />
          ) : (
            <p className="mute">This is no flag.</p>
          )
        }
      </Answered>
    </div>
  )
}

function Account(props: {
  of: Explained
  flag: FlagExplanation
  document: FlagBody
  ask: (change: Partial<Asked>) => void
}) {
  const { of, flag, document } = props
  const zone = useZone()
  const given = document.variants?.[flag.variant]
  const next = [flag.until, flag.changesAt].filter((at) => at !== null).sort()[0]
  const reached = flag.rules.filter(({ outcome }) => outcome !== "not reached")
  const rest = flag.rules.filter(({ outcome }) => outcome === "not reached")
  return (
    <>
      <p className="result">
        <Holds until={of.tense === "now" ? flag.until : null}>
          <b className="variant">{flag.variant}</b>
          {given !== undefined && <code>{given === "" ? "empty text" : value(given)}</code>}
        </Holds>
        <span className="mute">{TENSES[of.tense]}</span>
      </p>
      <p className="sentence">{flag.sentence}</p>
      <p className="small mute">
        {next === undefined ? (
          "It changes only by an event or an edit."
        ) : (
          <>
            Next change by itself at {whole(next, zone)} (<When at={next} />
            ).{" "}
            <button type="button" className="link inline" onClick={() => props.ask({ at: next })}>
              Look at that instant
            </button>
          </>
        )}
        {of.profileId === null && " No event of this person is known."}
        {of.tense !== "now" && ` As of ${whole(of.asOf, zone)}${of.tense === "future" ? ", if nothing arrives" : ""}.`}
      </p>
      <Gates title="Needs" of={flag.prerequisites} />
      <Gates title="Held out by" of={flag.holdouts} />
      <ol className="outcomes">
        {reached.map((rule) => (
          <Outcomes key={rule.id} of={rule} document={document} />
        ))}
        {rest.length > 0 && (
          <li>
            <details>
              <summary className="mute">
                {rest.length === 1 ? "One rule is" : `${rest.length} rules are`} not reached
              </summary>
              <ol className="outcomes">
                {rest.map((rule) => (
                  <Outcomes key={rule.id} of={rule} document={document} />
                ))}
              </ol>
            </details>
          </li>
        )}
        <li className="outcome-otherwise">
          <span className="mute">otherwise</span> <code>{flag.default}</code>
        </li>
      </ol>
    </>
  )
}

const TENSES = { past: "then", now: "now", future: "then" }

function Gates({ title, of }: { title: string; of: PrerequisiteExplanation[] }) {
  if (of.length === 0) return null
  return (
    <ul className="gates">
      {of.map(({ flag, serves, needs, met }) => (
        <li key={flag}>
          <Badge tone={met ? "good" : "bad"}>{met ? "met" : "not met"}</Badge> {title} <b>{flag}</b>, which serves{" "}
          <code>{serves}</code>
          {!met && (
            <>
              {" "}
              instead of <code>{needs.join(" or ")}</code>
            </>
          )}
        </li>
      ))}
    </ul>
  )
}

const OUTCOMES: Record<string, { tone: Tone; words: string }> = {
  served: { tone: "good", words: "served" },
  false: { tone: "quiet", words: "false" },
  unknown: { tone: "warn", words: "unknown" },
  outside: { tone: "info", words: "not admitted" },
  "no unit": { tone: "warn", words: "no unit to bucket" },
  "not reached": { tone: "quiet", words: "not reached" },
}

function Outcomes({ of, document }: { of: RuleExplanation; document: FlagBody }) {
  const { tone, words } = OUTCOMES[of.outcome] ?? { tone: "quiet" as const, words: of.outcome }
  const rule = document.rules?.find(({ id }) => id === of.id)
  return (
    <li>
      <details open={of.outcome !== "not reached"}>
        <summary>
          <b>{of.id}</b> <Badge tone={tone}>{words}</Badge>
        </summary>
        <Scales of={of} rule={rule} />
        <Tree of={of.condition} />
      </details>
    </li>
  )
}
