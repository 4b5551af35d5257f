/** For whom, with what and when a definition is asked about: fields, and their place in the address. */
import { useNavigate, useSearch } from "@tanstack/react-router"
import { useEffect, useId, useState } from "react"
import { useZone } from "../lib/me.ts"
import { instantOf, localTime } from "../lib/zone.ts"
import { nameOf } from "../people/names.ts"
import { useFound } from "../people/queries.ts"
import "./explained.css"

/** The kinds of identifiers by which a decision names a person. */
export const NAMED_BY = ["userId", "anonymousId", "deviceId", "externalId", "emailHash", "profileId"] as const
export type NamedBy = (typeof NAMED_BY)[number]

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

interface AskingProps {
  asked: Asked
  ask: (change: Partial<Asked>) => void
  /** Whether what is asked about reads the caller's context. */
  context?: boolean
}

/** The fields for whom, with what and when something is asked. */
export function Asking({ asked, ask, context: reads = true }: AskingProps) {
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
      {reads && (
        <>
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
        </>
      )}
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
