import { Link, useParams, useSearch } from "@tanstack/react-router"
import { useState } from "react"
import type { Event, Profile } from "../lib/api.ts"
import { clock, day, plural, value, whole, words } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { Answered, Badge, Page, Panel, Value, When } from "../ui/parts.tsx"
import { identifierOf, nameOf } from "./names.ts"
import { useDecisions, useJourney, useLifetime, usePerson } from "./queries.ts"

export function PersonPage() {
  const { id = "" } = useParams({ strict: false })
  const { by } = useSearch({ strict: false })
  const answer = usePerson(id, by)
  return (
    <Page
      above={<Link to="/users">People</Link>}
      title={answer.data ? nameOf(answer.data) : id}
      lead={answer.data && identifierOf(answer.data)}
    >
      <Answered answer={answer} lines={12}>
        {(person) => <Content person={person} />}
      </Answered>
    </Page>
  )
}

function Content({ person }: { person: Profile }) {
  return (
    <div className="columns">
      <div className="main-column">
        <Segments person={person} />
        <Flags id={person.id} />
        <Traits person={person} />
        <JourneyOf id={person.id} />
      </div>
      <div className="side-column">
        <Life id={person.id} />
        <Panel title="Properties">
          <Pairs of={person.properties} />
        </Panel>
        <Panel title="Identifiers">
          <ul className="names">
            {person.identifiers.map(({ kind, value: text }) => (
              <li key={`${kind} ${text}`}>
                <span className="mute">{kind}</span> <span className="break">{text}</span>
              </li>
            ))}
          </ul>
        </Panel>
      </div>
    </div>
  )
}

function Segments({ person }: { person: Profile }) {
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
              </tr>
            </thead>
            <tbody>
              {person.segments.map(({ key, since, until }) => (
                <tr key={key}>
                  <td>
                    <Link className="row-link" to="/segments/$name" params={{ name: key }}>
                      {key}
                    </Link>
                  </td>
                  <td className="end">
                    <When at={since} />
                  </td>
                  <td className="end">
                    <When at={until} none="never" />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}

function Flags({ id }: { id: string }) {
  const answer = useDecisions(id)
  return (
    <Panel title="Flags" aside={<span className="mute">without a context</span>}>
      <Answered answer={answer} lines={4}>
        {({ flags }) => (
          <div className="table-frame">
            <table className="decisions">
              <thead>
                <tr>
                  <th scope="col">Flag</th>
                  <th scope="col">Variant</th>
                  <th scope="col" className="wide-only">
                    Why
                  </th>
                  <th scope="col" className="end">
                    May change
                  </th>
                </tr>
              </thead>
              <tbody>
                {Object.values(flags)
                  .sort((a, b) => (a.flag < b.flag ? -1 : 1))
                  .map(({ flag, variant, reason, reasons, validUntil }) => (
                    <tr key={flag}>
                      <td>
                        <Link className="row-link" to="/flags/$name" params={{ name: flag }}>
                          {flag}
                        </Link>
                      </td>
                      <td>
                        <code>{variant}</code>
                      </td>
                      <td className="wide-only mute" title={reasons.join("\n")}>
                        {reasons.at(-1) ?? words(reason)}
                      </td>
                      <td className="end">
                        <When at={validUntil} none="with an event" />
                      </td>
                    </tr>
                  ))}
              </tbody>
            </table>
          </div>
        )}
      </Answered>
    </Panel>
  )
}

function Traits({ person }: { person: Profile }) {
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
              </tr>
            </thead>
            <tbody>
              {traits.map(([key, trait]) => (
                <tr key={key}>
                  <td>
                    <Link className="row-link" to="/traits/$name" params={{ name: key }}>
                      {key}
                    </Link>
                    {trait.backfilling && <Badge tone="info">computing</Badge>}
                  </td>
                  <td className="break">
                    <Value of={trait.value} />
                  </td>
                  <td className="end">
                    <When at={trait.until} none="an event" />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}

function Life({ id }: { id: string }) {
  const answer = useLifetime(id)
  return (
    <Panel title="Lifetime">
      <Answered answer={answer} lines={3}>
        {({ firstSeen, lastSeen, events, activeDays, sessions }) => (
          <dl className="pairs">
            <div>
              <dt>First seen</dt>
              <dd>
                <When at={firstSeen} />
              </dd>
            </div>
            <div>
              <dt>Last seen</dt>
              <dd>
                <When at={lastSeen} />
              </dd>
            </div>
            <div>
              <dt>Events</dt>
              <dd>{value(events)}</dd>
            </div>
            <div>
              <dt>Active days</dt>
              <dd>{value(activeDays)}</dd>
            </div>
            <div>
              <dt>Sessions</dt>
              <dd>{value(sessions)}</dd>
            </div>
          </dl>
        )}
      </Answered>
    </Panel>
  )
}

function Pairs({ of }: { of: Record<string, unknown> }) {
  const pairs = Object.entries(of)
  if (pairs.length === 0) return <p className="mute">None.</p>
  return (
    <dl className="pairs">
      {pairs.map(([name, given]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value(given)}</dd>
        </div>
      ))}
    </dl>
  )
}

function JourneyOf({ id }: { id: string }) {
  const journey = useJourney(id)
  const zone = useZone()
  return (
    <Panel title="Journey" aside={<span className="mute">{zone}</span>}>
      <Answered answer={journey} lines={8}>
        {({ pages }) => {
          const days = byDay(
            pages.flatMap(({ events }) => events),
            zone,
          )
          return (
            <>
              {[...days].map(([name, events]) => (
                <section key={name} aria-label={name}>
                  <h3>
                    {name} <small className="mute">{plural(events.length, "event")}</small>
                  </h3>
                  <ol className="journey">
                    {events.map((event) => (
                      <EventRow key={event.id} event={event} zone={zone} />
                    ))}
                  </ol>
                </section>
              ))}
              {days.size === 0 && <p className="mute">No events.</p>}
              {journey.hasNextPage && (
                <button
                  type="button"
                  className="button"
                  disabled={journey.isFetchingNextPage}
                  onClick={() => journey.fetchNextPage()}
                >
                  {journey.isFetchingNextPage ? "Loading…" : "Older events"}
                </button>
              )}
            </>
          )
        }}
      </Answered>
    </Panel>
  )
}

function byDay(events: Event[], zone: string): Map<string, Event[]> {
  const days = new Map<string, Event[]>()
  for (const event of events) {
    const name = day(event.timestamp, zone)
    days.set(name, [...(days.get(name) ?? []), event])
  }
  return days
}

function EventRow({ event, zone }: { event: Event; zone: string }) {
  const [open, setOpen] = useState(false)
  const properties = Object.entries(event.properties)
  return (
    <li>
      <details open={open} onToggle={(change) => setOpen(change.currentTarget.open)}>
        <summary>
          <time dateTime={event.timestamp} title={whole(event.timestamp, zone)}>
            {clock(event.timestamp, zone)}
          </time>
          <b>{event.event}</b>
          <span className="mute">{properties.map(([name, given]) => `${name} ${value(given)}`).join(" · ")}</span>
          {event.warnings.length > 0 && <Badge tone="warn">{plural(event.warnings.length, "warning")}</Badge>}
        </summary>
        {open && <pre className="code">{JSON.stringify(event, null, 2)}</pre>}
      </details>
    </li>
  )
}
