/** What a person did, newest first, by day. */
import { useId, useState } from "react"
import type { Event } from "../lib/api.ts"
import { clock, day, plural, value, whole } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { useEvents } from "../registry/queries.ts"
import { Older } from "../ui/older.tsx"
import { Answered, Badge, Panel } from "../ui/parts.tsx"
import { useJourney } from "./queries.ts"
import { SpanFields, useSpan, useWanted } from "./span.tsx"

const KINDS = ["track", "page", "screen", "identify", "group", "alias"]
const FILTERS = ["event", "kind", "from", "to"]

export function Events({ id }: { id: string }) {
  const [wanted, want] = useWanted()
  const { event = "", kind = "" } = wanted
  const span = useSpan(wanted)
  const journey = useJourney(id, { event, kind, ...span })
  const zone = useZone()
  const filtered = FILTERS.some((name) => wanted[name])
  const clear = () => want(Object.fromEntries(FILTERS.map((name) => [name, undefined])))
  return (
    <Panel title="Journey" aside={<span className="mute">{zone}</span>}>
      <div className="filters">
        <EventField value={event} onChange={(name) => want({ event: name })} />
        <label>
          <span>kind</span>
          <select className="field" value={kind} onChange={(change) => want({ kind: change.target.value })}>
            <option value="">any</option>
            {KINDS.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <SpanFields wanted={wanted} want={want} />
        {filtered && (
          <button type="button" className="link" onClick={clear}>
            Show all
          </button>
        )}
      </div>
      <div data-stale={journey.isPlaceholderData || undefined} className="answer">
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
                      {events.map((one) => (
                        <EventRow key={one.id} event={one} zone={zone} />
                      ))}
                    </ol>
                  </section>
                ))}
                {days.size === 0 && (
                  <p className="mute">{filtered ? "No event is like that." : "No events are stored."}</p>
                )}
                <Older of={journey} title="Older events" />
              </>
            )
          }}
        </Answered>
      </div>
    </Panel>
  )
}

/** A name of an event: what is typed holds when the field is left or Enter is pressed. */
function EventField({ value: given, onChange }: { value: string; onChange: (name: string) => void }) {
  const id = useId()
  const [typed, setTyped] = useState<string>()
  const names = (useEvents().data?.events ?? []).map(({ name }) => name)
  const take = (text: string) => {
    setTyped(undefined)
    if (text.trim() !== given) onChange(text.trim())
  }
  return (
    <label>
      <span>event</span>
      <input
        type="search"
        className="field"
        list={id}
        placeholder="any   /"
        autoComplete="off"
        spellCheck={false}
        value={typed ?? given}
        onChange={(event) => {
          const text = event.target.value
          // One that was chosen from the list, or cleared, holds at once.
          if (text === "" || names.includes(text)) take(text)
          else setTyped(text)
        }}
        onBlur={(event) => take(event.target.value)}
        onKeyDown={(event) => event.key === "Enter" && take(event.currentTarget.value)}
      />
      <datalist id={id}>
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </label>
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
        <summary data-line>
          <time dateTime={event.timestamp} title={whole(event.timestamp, zone)}>
            {clock(event.timestamp, zone)}
          </time>
          <b>{event.event || event.type}</b>
          <span className="mute">{properties.map(([name, given]) => `${name} ${value(given)}`).join(" · ")}</span>
          {event.warnings.length > 0 && <Badge tone="warn">{plural(event.warnings.length, "warning")}</Badge>}
        </summary>
        {open && <pre className="code">{JSON.stringify(event, null, 2)}</pre>}
      </details>
    </li>
  )
}
