/** A message about a real person: look at it, send it, and see what the receiver answers. */
import { useState } from "react"
import type { Destination, Tested } from "../../lib/api.ts"
import { exactCount } from "../../lib/format.ts"
import { useRested } from "../../lib/rested.ts"
import { identifierOf, nameOf } from "../../people/names.ts"
import { useFound, usePerson } from "../../people/queries.ts"
import { useWanted } from "../../people/span.tsx"
import { Labelled } from "../../ui/fields.tsx"
import { Answered, Badge, Failed, Panel } from "../../ui/parts.tsx"
import { type TestOf, useTest, useTestPreview } from "../queries.ts"
import { BATCHED, TYPES, typeOf } from "../words.ts"
import { Answer, Wire } from "./message.tsx"

const OFFERED = 8

export function Tester({ of }: { of: Destination }) {
  const [wanted, want] = useWanted()
  const events = Array.isArray(of.document.events) ? (of.document.events as string[]) : []
  const type = wanted.type ?? events[0] ?? "segment.entered"
  const needsPerson = !type.startsWith("flag.")
  const person = wanted.person ?? ""
  const asked: TestOf | undefined = needsPerson && !person ? undefined : { type, profile: needsPerson ? person : "" }
  const types = [...new Set([...events, ...Object.keys(TYPES)])]
  return (
    <div className="columns tester">
      <div className="main-column">
        <Panel title="Message">
          {asked ? (
            <Preview of={of} asked={asked} key={`${type} ${person}`} />
          ) : (
            <p className="mute">
              Choose a person, and the message about them is shown. Nothing is sent until you say so.
            </p>
          )}
        </Panel>
      </div>
      <div className="side-column">
        <Panel title="What about">
          <div className="form tester-form">
            <Labelled label="Type" hint={TYPES[type] && `When ${TYPES[type]}.`}>
              {(names) => (
                <select
                  {...names}
                  className="field"
                  value={type}
                  onChange={(event) => want({ type: event.target.value })}
                >
                  {types.map((one) => (
                    <option key={one} value={one}>
                      {one}
                      {events.includes(one) ? "" : " (it does not get these)"}
                    </option>
                  ))}
                </select>
              )}
            </Labelled>
            {needsPerson && <PersonField id={person} onChange={(id) => want({ person: id })} />}
          </div>
        </Panel>
      </div>
    </div>
  )
}

function PersonField({ id, onChange }: { id: string; onChange: (id: string | undefined) => void }) {
  const [text, setText] = useState("")
  const rested = useRested(text.trim())
  const answer = useFound(rested)
  const chosen = usePerson(id, "profileId")
  if (id !== "") {
    const name = chosen.data ? nameOf(chosen.data) : `profile ${id}`
    return (
      <div className="labelled">
        <span>Person</span>
        <p className="tools chosen-person">
          <b className="break">{name}</b> <span className="mute">profile {id}</span>
          <button type="button" className="button small" onClick={() => onChange(undefined)}>
            Another person
          </button>
        </p>
      </div>
    )
  }
  return (
    <Labelled label="Person" hint="By the beginning of a name or an identifier.">
      {(names) => (
        <>
          <input
            {...names}
            type="search"
            className="field"
            autoComplete="off"
            spellCheck={false}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
          <Answered answer={answer} lines={4}>
            {(found) =>
              found.length === 0 ? (
                <p className="mute">There is no such person.</p>
              ) : (
                <ul className="offered" aria-label="People">
                  {found.slice(0, OFFERED).map((one) => (
                    <li key={one.id}>
                      <button type="button" onClick={() => onChange(one.id)}>
                        <span className="break">{nameOf(one)}</span>
                        <small>{identifierOf(one)}</small>
                      </button>
                    </li>
                  ))}
                </ul>
              )
            }
          </Answered>
        </>
      )}
    </Labelled>
  )
}

function Preview({ of, asked }: { of: Destination; asked: TestOf }) {
  const preview = useTestPreview(of.key, asked)
  const test = useTest(of.key)
  // Of one that takes batches, a test connects and writes nothing.
  const checks = BATCHED.includes(typeOf(of.document))
  return (
    <>
      <Answered answer={preview} lines={10}>
        {(made) => (
          <>
            <Wire first={`${made.method} ${made.url}`.trim()} headers={made.headers} body={made.body} />
            {!checks && <p className="mute small">Headers of the destination itself are sent too, and not shown.</p>}
          </>
        )}
      </Answered>
      <Failed problem={test.error} />
      <div className="tools delivery-tools" aria-live="polite">
        <button
          type="button"
          className="button primary"
          disabled={!preview.data || test.isPending}
          onClick={() => test.mutate(asked)}
        >
          {test.isPending ? "One moment…" : checks ? "Connect and check" : test.data ? "Send it again" : "Send it"}
        </button>
        {test.data && !test.isPending && <Result of={test.data} checks={checks} />}
      </div>
      {test.data && !test.isPending && <Answer text={test.data.answer} failed={!test.data.delivered} />}
    </>
  )
}

function Result({ of, checks }: { of: Tested; checks: boolean }) {
  const took = of.durationMs === null ? "" : `in ${exactCount(of.durationMs)} ms`
  return (
    <span>
      {!checks && <Badge tone={of.delivered ? "good" : "bad"}>{of.status ?? "no answer"}</Badge>}
      {checks && <Badge tone={of.delivered ? "good" : "bad"}>{of.delivered ? "ready" : "not ready"}</Badge>}{" "}
      {of.delivered ? (checks ? `Nothing was written, ${took}.` : `It arrived ${took}.`) : `${of.error} ${took}`}
    </span>
  )
}
