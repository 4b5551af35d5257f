import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import "./registry.css"
import type { Dictionary, EventSummary, Sdks } from "../lib/api.ts"
import { plural } from "../lib/format.ts"
import { Choice } from "../ui/fields.tsx"
import { Older } from "../ui/older.tsx"
import { Answered, Badge, Count, Empty, Page, Value, When } from "../ui/parts.tsx"
import { Table } from "../ui/table.tsx"
import { useDictionary, useEvents, useSdks } from "./queries.ts"
import { type EventState, nameInWords, STATES, StateOf } from "./words.tsx"

const VIEWS = [
  { value: "events", title: "Events" },
  { value: "properties", title: "Properties" },
  { value: "sdks", title: "SDKs" },
] as const
type View = (typeof VIEWS)[number]["value"]

export function RegistryPage() {
  const { q = "", view: wanted, state } = useSearch({ strict: false })
  const view: View = VIEWS.find(({ value }) => value === wanted)?.value ?? "events"
  const navigate = useNavigate()
  const look = (search: { q?: string; view?: string; state?: string }) =>
    navigate({ to: "/registry", search: { q: q || undefined, view: wanted, state, ...search }, replace: true })
  return (
    <Page
      title="Registry"
      lead="Which events arrive, with which properties, from which SDKs; and which are planned."
      aside={
        <div className="tools">
          <input
            type="search"
            className="field filter"
            aria-label={`Filter ${view}`}
            placeholder={view === "properties" ? "Begins with   /" : "Filter   /"}
            value={q}
            onChange={(event) => look({ q: event.target.value || undefined })}
          />
          <Choice
            label="What is listed"
            options={VIEWS}
            value={view}
            onChange={(chosen) =>
              look({ view: chosen === "events" ? undefined : chosen, state: undefined, q: undefined })
            }
          />
        </div>
      }
    >
      {view === "events" && <AllEvents q={q} state={state} look={look} />}
      {view === "properties" && <AllProperties prefix={q} />}
      {view === "sdks" && <AllSdks q={q} />}
    </Page>
  )
}

function AllEvents(props: { q: string; state?: string; look: (search: { state?: string }) => void }) {
  const answer = useEvents()
  return (
    <Answered answer={answer} lines={12}>
      {({ events, overflow }) =>
        events.length === 0 ? (
          <NothingYet />
        ) : (
          <>
            <States of={events} chosen={props.state} choose={(state) => props.look({ state })} />
            <EventRows events={events.filter((event) => has(event, props.q) && is(event, props.state))} q={props.q} />
            {overflow > 0 && (
              <p className="notice warn">
                {plural(overflow, "message")} had names beyond the limit of 1,000 events, and are counted together.
              </p>
            )}
          </>
        )
      }
    </Answered>
  )
}

function NothingYet() {
  return (
    <Empty
      title="No event has arrived yet"
      command={`curl '${location.origin}/v1/track' -H "Authorization: Bearer $WRITE_KEY" -H 'Content-Type: application/json' \\\n     -d '{"userId":"ada","event":"app_open"}'`}
    >
      <p>The registry writes itself. This sends the first event:</p>
    </Empty>
  )
}

function States(props: { of: EventSummary[]; chosen?: string; choose: (state: string | undefined) => void }) {
  const counts = new Map<string, number>()
  for (const { state, likelyMisspellingOf } of props.of) {
    counts.set(state, (counts.get(state) ?? 0) + 1)
    if (likelyMisspellingOf) counts.set("misspelt", (counts.get("misspelt") ?? 0) + 1)
  }
  if (counts.size < 2 && !props.chosen) return null
  return (
    <fieldset className="chips">
      <legend className="hidden">Events in a state</legend>
      {[...counts].map(([state, n]) => (
        <button
          key={state}
          type="button"
          aria-pressed={state === props.chosen}
          title={STATES[state as EventState] ?? "Their names look like another one."}
          onClick={() => props.choose(state === props.chosen ? undefined : state)}
        >
          {state} <span className="number">{n}</span>
        </button>
      ))}
    </fieldset>
  )
}

function is(event: EventSummary, state: string | undefined): boolean {
  return state === undefined || event.state === state || (state === "misspelt" && event.likelyMisspellingOf !== null)
}

function has({ name, description, owner }: EventSummary, text: string): boolean {
  const looked = `${name}\n${description}\n${owner}`.toLowerCase()
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => looked.includes(word))
}

function EventRows({ events, q }: { events: EventSummary[]; q: string }) {
  if (events.length === 0) {
    return (
      <Empty title={q ? `No event has “${q}” in its name` : "No event is in this state"}>
        {q && (
          <p>
            <Link to="/registry/$name" params={{ name: q }} search={{ plan: "edit" }}>
              Plan an event {q}
            </Link>
          </p>
        )}
      </Empty>
    )
  }
  return (
    <Table
      heads={["Event", "Today", "7 days", "Ever", "Properties", "Seen"]}
      wide={[1, 3, 4]}
      rows={events.map((event) => [
        <div key="name">
          <Link className="row-link" to="/registry/$name" params={{ name: event.name }}>
            {nameInWords(event.name)}
          </Link>{" "}
          <StateOf state={event.state} why={STATES[event.state]} />{" "}
          {event.planned && event.state !== "planned" && <Badge>planned</Badge>}
          {(event.description || event.owner) && (
            <p className="mute">
              {[event.description, event.owner && `Owner: ${event.owner}.`].filter(Boolean).join(" ")}
            </p>
          )}
          {event.likelyMisspellingOf && (
            <p className="remark">
              Probably a misspelling of{" "}
              <Link to="/registry/$name" params={{ name: event.likelyMisspellingOf }}>
                {event.likelyMisspellingOf}
              </Link>
              .
            </p>
          )}
        </div>,
        <Count key="today" n={event.today} />,
        <Count key="lately" n={event.lately} />,
        <Count key="total" n={event.total} />,
        <Count key="properties" n={event.properties} />,
        <When key="seen" at={event.lastSeen} none="never" />,
      ])}
    />
  )
}

function AllProperties({ prefix }: { prefix: string }) {
  const answer = useDictionary(prefix.trim())
  return (
    <Answered answer={{ ...answer, data: answer.data?.pages.flatMap(({ properties }) => properties) }} lines={12}>
      {(properties) =>
        properties.length === 0 ? (
          <Empty title={prefix ? `No property begins with “${prefix}”` : "No property has arrived yet"} />
        ) : (
          <>
            <Table
              heads={["Property", "Type", "Example", "In events", "Seen"]}
              wide={[2]}
              ends={[3, 4]}
              rows={properties.map((property) => [
                <PropertyName key="name" of={property} />,
                property.type ?? <span className="mute">unknown</span>,
                <Value key="example" of={property.example} />,
                <Count key="events" n={property.events} />,
                <When key="seen" at={property.lastSeen} none="never" />,
              ])}
            />
            <Older of={answer} title="Show more" />
          </>
        )
      }
    </Answered>
  )
}

function PropertyName({ of }: { of: Dictionary["properties"][number] }) {
  return (
    <div>
      <b className="break">{of.name}</b> {of.planned && <Badge>planned</Badge>}
      <p className="mute">
        {of.uses.slice(0, 6).map(({ event }, index) => (
          <span key={event}>
            {index > 0 && ", "}
            <Link to="/registry/$name" params={{ name: event }} search={{ property: of.name }}>
              {nameInWords(event)}
            </Link>
          </span>
        ))}
        {of.events > 6 && ` and ${of.events - 6} more`}
      </p>
      {of.conflicts.length > 0 && (
        <p className="remark">
          {of.conflicts.map(({ type, events }) => `${type} in ${events.map(nameInWords).join(", ")}`).join("; ")}
        </p>
      )}
    </div>
  )
}

function AllSdks({ q }: { q: string }) {
  const answer = useSdks()
  const found = (sdks: Sdks["sdks"]) =>
    sdks.filter(({ library, version, platform }) =>
      `${library} ${version} ${platform}`.toLowerCase().includes(q.toLowerCase()),
    )
  return (
    <Answered answer={answer} lines={4}>
      {({ sdks }) =>
        found(sdks).length === 0 ? (
          <Empty title={q ? `No SDK has “${q}” in its name` : "No SDK has sent anything yet"} />
        ) : (
          <Table
            heads={["Library", "Version", "Platform", "Messages", "Since", "Seen"]}
            wide={[2, 4]}
            ends={[3, 4, 5]}
            rows={found(sdks).map((sdk) => [
              <b key="library">{sdk.library || "unnamed"}</b>,
              sdk.version || <span className="mute">—</span>,
              sdk.platform || <span className="mute">—</span>,
              <Count key="total" n={sdk.total} />,
              <When key="first" at={sdk.firstSeen} />,
              <When key="last" at={sdk.lastSeen} />,
            ])}
          />
        )
      }
    </Answered>
  )
}
