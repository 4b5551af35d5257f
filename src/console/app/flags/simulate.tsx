/** What a flag gives one person, at an instant, and why: the evaluator's own answer, rule by rule. */
import { useNavigate, useSearch } from "@tanstack/react-router"
import { useEffect, useId, useState } from "react"
import type { Explained, FlagBody, FlagExplanation, PrerequisiteExplanation, RuleExplanation } from "../lib/api.ts"
import { value, whole } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { instantOf, localTime } from "../lib/zone.ts"
import { nameOf } from "../people/names.ts"
import { useFound } from "../people/queries.ts"
import { Answered, Badge, type Tone, When } from "../ui/parts.tsx"
import { NAMED_BY, type NamedBy, useSimulation } from "./queries.ts"
import { Scales } from "./scale.tsx"
import { Tree } from "./tree.tsx"

const DAY_MS = 86_400_000
const AHEAD = [1, 7, 30] as const
const REST_MS = 300

/** What is asked, as the address has it. */
export interface Asked {
  person: string
  by: NamedBy
  context: string
  at: string
}

export function useAsked(): [Asked, (change: Partial<Asked>) => void] {
  const { person = "", by, context = "", at = "" } = useSearch({ strict: false })
  const navigate = useNavigate()
  const known = NAMED_BY.find((kind) => kind === by) ?? "userId"
  function ask(change: Partial<Asked>): void {
    navigate({
      to: ".",
      search: (now: Record<string, unknown>) => {
        const next = { ...now, ...change }
        const kept = Object.entries(next).filter(([name, text]) => text !== "" && !(name === "by" && text === "userId"))
        return Object.fromEntries(kept) as never
      },
      replace: true,
      resetScroll: false,
    })
  }
  return [{ person, by: known, context, at }, ask]
}

/** A JSON object, or what is wrong with the text. */
export function contextOf(text: string): Record<string, unknown> | string {
  if (text.trim() === "") return {}
  try {
    const found: unknown = JSON.parse(text)
    if (typeof found === "object" && found !== null && !Array.isArray(found)) return found as Record<string, unknown>
    return 'A context is a JSON object, as {"platform": "ios"} is.'
  } catch (problem) {
    return problem instanceof Error ? problem.message : String(problem)
  }
}

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
      <Fields asked={asked} ask={ask} />
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

function Fields({ asked, ask }: { asked: Asked; ask: (change: Partial<Asked>) => void }) {
  const id = useId()
  const zone = useZone()
  const [person, setPerson] = useTyped(asked.person, (text) => ask({ person: text }))
  const [context, setContext] = useTyped(asked.context, (text) => ask({ context: text }))
  const found = useFound(person.trim())
  const wrong = contextOf(context)

  function choose(text: string): void {
    // A person who was chosen from the list brings the kind of their identifier.
    const match = (found.data ?? []).flatMap(({ identifiers }) => identifiers).find(({ value }) => value === text)
    const kind = NAMED_BY.find((one) => one === match?.kind)
    setPerson(text)
    if (kind && kind !== asked.by) ask({ by: kind, person: text.trim() })
  }

  return (
    <div className="simulate-fields">
      <label htmlFor={`${id}-person`}>Person</label>
      <div className="field-row">
        <input
          id={`${id}-person`}
          className="field"
          list={`${id}-people`}
          autoComplete="off"
          spellCheck={false}
          placeholder="An identifier"
          value={person}
          onChange={(event) => choose(event.target.value)}
        />
        <select
          className="field"
          aria-label="Kind of identifier"
          value={asked.by}
          onChange={(event) => ask({ by: event.target.value as NamedBy })}
        >
          {NAMED_BY.map((kind) => (
            <option key={kind}>{kind}</option>
          ))}
        </select>
        <datalist id={`${id}-people`}>
          {(found.data ?? []).slice(0, 8).map((one) => {
            const named = one.identifiers.find(({ kind }) => NAMED_BY.some((known) => known === kind))
            return named && <option key={one.id} value={named.value} label={`${nameOf(one)} · ${named.kind}`} />
          })}
        </datalist>
      </div>
      <label htmlFor={`${id}-context`}>Context</label>
      <div>
        <textarea
          id={`${id}-context`}
          className="field code-field"
          rows={1}
          spellCheck={false}
          placeholder='{"platform": "ios"}'
          value={context}
          aria-invalid={typeof wrong === "string"}
          aria-describedby={typeof wrong === "string" ? `${id}-wrong` : undefined}
          onChange={(event) => setContext(event.target.value)}
        />
        {typeof wrong === "string" && (
          <p id={`${id}-wrong`} className="problem small">
            {wrong}
          </p>
        )}
      </div>
      <label htmlFor={`${id}-at`}>Instant</label>
      <div className="field-row">
        <input
          id={`${id}-at`}
          className="field"
          type="datetime-local"
          title={`In the zone ${zone}`}
          value={asked.at ? localTime(asked.at, zone) : ""}
          onChange={(event) => ask({ at: event.target.value ? instantOf(event.target.value, zone) : "" })}
        />
        <fieldset className="choices">
          <legend className="hidden">Instant from now</legend>
          <button type="button" className="chip" aria-pressed={asked.at === ""} onClick={() => ask({ at: "" })}>
            now
          </button>
          {AHEAD.map((days) => (
            <button
              key={days}
              type="button"
              className="chip"
              onClick={() => ask({ at: new Date(Date.now() + days * DAY_MS).toISOString() })}
            >
              in {days} {days === 1 ? "day" : "days"}
            </button>
          ))}
        </fieldset>
      </div>
    </div>
  )
}

/** A text as it is typed; the address gets it after a rest. */
function useTyped(given: string, rested: (text: string) => void): [string, (text: string) => void] {
  const [text, setText] = useState(given)
  const [typed, setTyped] = useState(false)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the text alone starts the rest anew
  useEffect(() => {
    if (!typed) return
    const timer = setTimeout(() => {
      rested(text.trim())
      setTyped(false)
    }, REST_MS)
    return () => clearTimeout(timer)
  }, [text, typed])
  useEffect(() => {
    if (!typed) setText(given)
  }, [given, typed])
  return [
    text,
    (next) => {
      setText(next)
      setTyped(true)
    },
  ]
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
        <b className="variant">{flag.variant}</b>
        {given !== undefined && <code>{given === "" ? "empty text" : value(given)}</code>}
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
