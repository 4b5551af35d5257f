/** What holds of a person at this moment: segments, flags and traits, until when, and why. */
import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import { Fragment } from "react"
import { useDefinitions } from "../definitions/queries.ts"
import type { Answer, Profile } from "../lib/api.ts"
import { plural, value, whole, words } from "../lib/format.ts"
import { useMay, useZone } from "../lib/me.ts"
import { instantOf, localTime } from "../lib/zone.ts"
import { Holds } from "../ui/holds.tsx"
import { Answered, Badge, Panel, Value, When } from "../ui/parts.tsx"
import { useDecisions } from "./queries.ts"
import { WhyButton, WhyRow } from "./why.tsx"
import "../flags/flags.css"

export function Segments({ person }: { person: Profile }) {
  return (
    <Panel title="Segments">
      {person.segments.length === 0 ? (
        <p className="mute">In no segment now.</p>
      ) : (
        <div className="table-frame">
          <table>
            <thead>
              <tr>
                <th scope="col">Segment</th>
                <th scope="col" className="end">
                  Since
                </th>
                <th scope="col" className="end">
                  Leaves by itself
                </th>
                <th scope="col" className="end">
                  <span className="hidden">Reason</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {person.segments.map(({ key, since, until }) => (
                <Fragment key={key}>
                  <tr>
                    <td>
                      <Holds until={until}>
                        <SegmentLink name={key} />
                      </Holds>
                    </td>
                    <td className="end">
                      <When at={since} />
                    </td>
                    <td className="end">
                      <When at={until} none="never" />
                    </td>
                    <td className="end">
                      <WhyButton kind="segment" name={key} />
                    </td>
                  </tr>
                  <WhyRow person={person.id} kind="segment" name={key} columns={4} />
                </Fragment>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <OtherSegments person={person} />
    </Panel>
  )
}

function SegmentLink({ name }: { name: string }) {
  return (
    <Link className="row-link" to="/segments/$name" params={{ name }}>
      {name}
    </Link>
  )
}

/** Those that the person is not in. Whether that is certain, or unknown, is said by the reason. */
function OtherSegments({ person }: { person: Profile }) {
  const { why = "" } = useSearch({ strict: false }) as { why?: string }
  const all = useDefinitions("segments").data ?? []
  const within = new Set(person.segments.map(({ key }) => key))
  const others = all.filter(({ key }) => !within.has(key))
  if (others.length === 0) return null
  return (
    <details className="others" open={others.some(({ key }) => why === `segment:${key}`) || undefined}>
      <summary className="mute">Not in {plural(others.length, "other segment")}</summary>
      <table>
        <thead className="hidden">
          <tr>
            <th scope="col">Segment</th>
            <th scope="col">Reason</th>
          </tr>
        </thead>
        <tbody>
          {others.map(({ key }) => (
            <Fragment key={key}>
              <tr>
                <td>
                  <SegmentLink name={key} />
                </td>
                <td className="end">
                  <WhyButton kind="segment" name={key} />
                </td>
              </tr>
              <WhyRow person={person.id} kind="segment" name={key} columns={2} />
            </Fragment>
          ))}
        </tbody>
      </table>
    </details>
  )
}

/** What the flags give the person, now or at the instant of the past that `?at=` names. */
export function Flags({ id }: { id: string }) {
  const { at = "" } = useSearch({ strict: false }) as { at?: string }
  const may = useMay("admin")
  const answer = useDecisions(id, may ? at : "")
  return (
    <Panel title="Flags" aside={may ? <Instant at={at} /> : <span className="mute">without a context</span>}>
      <div data-stale={answer.isPlaceholderData || undefined}>
        <Answered answer={answer} lines={4}>
          {({ flags, revision, asOf }) => (
            <>
              {asOf && <Replayed at={asOf} revision={revision} />}
              {Object.keys(flags).length === 0 ? (
                <p className="mute">{asOf ? "There were no flags." : "No flags are defined."}</p>
              ) : (
                <Decisions id={id} at={asOf ? at : ""} of={Object.values(flags)} />
              )}
            </>
          )}
        </Answered>
      </div>
    </Panel>
  )
}

function Replayed({ at, revision }: { at: string; revision: number }) {
  const zone = useZone()
  return (
    <p className="small mute">
      As decided at {whole(at, zone)}, without a context, by the definitions and messages of that time (revision{" "}
      {revision}).
    </p>
  )
}

function Instant({ at }: { at: string }) {
  const zone = useZone()
  const navigate = useNavigate()
  const go = (instant: string) =>
    void navigate({
      to: ".",
      search: (now: Record<string, unknown>) => ({ ...now, at: instant || undefined }) as never,
      replace: true,
      resetScroll: false,
    })
  return (
    <span className="instant">
      <label>
        <span className="mute">as of</span>{" "}
        <input
          className="field"
          type="datetime-local"
          title={`In the zone ${zone}`}
          max={localTime(new Date().toISOString(), zone)}
          value={at ? localTime(at, zone) : ""}
          onChange={(event) => go(event.target.value ? instantOf(event.target.value, zone) : "")}
        />
      </label>
      <button type="button" className="chip" aria-pressed={at === ""} onClick={() => go("")}>
        now
      </button>
    </span>
  )
}

function Decisions({ id, at, of }: { id: string; at: string; of: Answer[] }) {
  const sorted = [...of].sort((a, b) => (a.flag < b.flag ? -1 : 1))
  return (
    <div className="table-frame">
      <table className="decisions">
        <thead>
          <tr>
            <th scope="col">Flag</th>
            <th scope="col">Variant</th>
            <th scope="col" className="wide-only">
              Reason
            </th>
            <th scope="col" className="end">
              May change
            </th>
            <th scope="col" className="end">
              <span className="hidden">Reason, rule by rule</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {sorted.map(({ flag, variant, reason, reasons, validUntil }) => (
            <tr key={flag}>
              <td>
                <Link className="row-link" to="/flags/$name" params={{ name: flag }}>
                  {flag}
                </Link>
              </td>
              <td>
                <Holds until={at ? null : validUntil}>
                  <code>{variant}</code>
                </Holds>
              </td>
              <td className="wide-only mute" title={reasons.join("\n")}>
                {reasons.at(-1) ?? words(reason)}
              </td>
              <td className="end">
                <When at={validUntil} none="with an event" />
              </td>
              <td className="end">
                <Link
                  to="/flags/$name"
                  params={{ name: flag }}
                  search={{ person: id, by: "profileId", at: at || undefined } as never}
                  aria-label={`Simulate ${flag} for this person`}
                >
                  simulate
                </Link>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

export function Traits({ person }: { person: Profile }) {
  const traits = Object.entries(person.traits)
  return (
    <Panel title="Traits">
      {traits.length === 0 ? (
        <p className="mute">No traits are defined.</p>
      ) : (
        <div className="table-frame">
          <table>
            <thead>
              <tr>
                <th scope="col">Trait</th>
                <th scope="col">Value</th>
                <th scope="col" className="end">
                  Holds until
                </th>
                <th scope="col" className="end">
                  <span className="hidden">Reason</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {traits.map(([key, trait]) => (
                <Fragment key={key}>
                  <tr>
                    <td>
                      <Link className="row-link" to="/traits/$name" params={{ name: key }}>
                        {key}
                      </Link>
                      {trait.backfilling && <Badge tone="info">computing</Badge>}
                    </td>
                    <td className="break">
                      <Holds until={trait.until}>
                        {trait.value === null ? (
                          <span className="unknown">
                            — <span className="mute">unknown</span>
                          </span>
                        ) : trait.type === "duration" ? (
                          <span className="value">{value(trait.value)} s</span>
                        ) : (
                          <Value of={trait.value} />
                        )}
                      </Holds>
                    </td>
                    <td className="end">
                      <When at={trait.until} none="an event" />
                    </td>
                    <td className="end">
                      <WhyButton kind="trait" name={key} />
                    </td>
                  </tr>
                  <WhyRow person={person.id} kind="trait" name={key} columns={4} />
                </Fragment>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}
