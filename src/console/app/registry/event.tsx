import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router"
import "./registry.css"
import type { EventVersion, EventPage as Found, PropertySummary } from "../lib/api.ts"
import { RequestFailed } from "../lib/client.ts"
import { count, plural, value } from "../lib/format.ts"
import { useMay } from "../lib/me.ts"
import { Bars, filled } from "../ui/bars.tsx"
import { Answered, Badge, Count, Page, Panel, Value, When } from "../ui/parts.tsx"
import { Table } from "../ui/table.tsx"
import { PlanDialog } from "./edit_plan.tsx"
import { PlanPanel } from "./plan.tsx"
import { PropertyDialog } from "./property.tsx"
import { useEvent } from "./queries.ts"
import { nameInWords, STATES, StateOf } from "./words.tsx"

const HOUR_MS = 3_600_000
const HOURS = 48
const DAYS = 90

export function EventPage() {
  const { name = "" } = useParams({ strict: false })
  const { property, plan } = useSearch({ strict: false })
  const answer = useEvent(name)
  const navigate = useNavigate()
  const may = useMay("admin")
  const found = answer.data?.event
  const look = (search: { property?: string; plan?: string }) =>
    navigate({ to: "/registry/$name", params: { name }, search, replace: true })
  // An event that neither arrived nor is planned can be planned.
  const absent = answer.error instanceof RequestFailed && answer.error.status === 404
  return (
    <Page
      title={nameInWords(name)}
      above={<Link to="/registry">Registry</Link>}
      lead={found?.description}
      aside={
        found && (
          <p className="facts">
            <StateOf state={found.state} why={STATES[found.state]} />
            <span>
              <b>{count(found.lately)}</b> in 7 days
            </span>
            <span>
              <b>{count(found.total)}</b> ever
            </span>
            <span className="mute">
              seen <When at={found.lastSeen} none="never" />
            </span>
          </p>
        )
      }
    >
      <Answered answer={answer} lines={10}>
        {(event) => <Content of={event} look={look} />}
      </Answered>
      {absent && may && plan !== "edit" && (
        <button type="button" className="button" onClick={() => look({ plan: "edit" })}>
          Plan this event
        </button>
      )}
      {property !== undefined && <PropertyDialog event={name} name={property} onClose={() => look({})} />}
      {plan === "edit" && may && (answer.data || absent) && (
        <PlanDialog name={name} found={answer.data} onClose={() => look({})} />
      )}
    </Page>
  )
}

function Content({ of, look }: { of: Found; look: (search: { property?: string; plan?: string }) => void }) {
  return (
    <>
      {of.event.remedy && <p className="notice warn">{of.event.remedy}</p>}
      <div className="columns">
        <div className="main-column">
          <Volume of={of} />
          <Properties of={of} open={(property) => look({ property })} />
        </div>
        <div className="side-column">
          <PlanPanel of={of} edit={() => look({ plan: "edit" })} />
          <Violations of={of} />
          <Senders of={of} />
          <Versions of={of} />
        </div>
      </div>
    </>
  )
}

function Volume({ of }: { of: Found }) {
  const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS
  const day = Math.floor(Date.now() / (24 * HOUR_MS)) * 24 * HOUR_MS
  const hours = filled(of.hours, hour - (HOURS - 1) * HOUR_MS, hour, HOUR_MS)
  const days = filled(of.days, day - (DAYS - 1) * 24 * HOUR_MS, day, 24 * HOUR_MS)
  return (
    <Panel title="Volume" aside={<span className="mute">by arrival, UTC</span>}>
      <div className="volumes">
        <Bars
          bars={hours}
          label="Messages in 48 hours"
          each="an hour"
          when={(at) => `${at.slice(5, 10)} ${at.slice(11, 16)}`}
        />
        <Bars bars={days} label="Messages in 90 days" each="a day" when={(at) => at.slice(0, 10)} />
      </div>
    </Panel>
  )
}

function Properties({ of, open }: { of: Found; open: (property: string) => void }) {
  if (of.properties.length === 0) {
    return (
      <Panel title="Properties">
        <p className="mute">It arrives without properties.</p>
      </Panel>
    )
  }
  return (
    <Panel title="Properties" aside={<span className="mute">{of.properties.length}</span>}>
      <Table
        heads={["Name", "Type", "Example", "In", "Seen"]}
        wide={[3, 4]}
        ends={[3, 4]}
        rows={of.properties.map((property) => [
          <div key="name">
            <button type="button" className="row-link" onClick={() => open(property.name)}>
              {property.name}
            </button>{" "}
            <StateOf state={property.state} why={property.why} />{" "}
            {property.declared && property.state !== "planned" && <Badge>planned</Badge>}
            {property.declared?.description && <p className="mute">{property.declared.description}</p>}
            {property.state !== "active" && property.state !== "planned" && <p className="mute">{property.why}</p>}
            {property.remedy && <p className="remark">{property.remedy}</p>}
          </div>,
          typesOf(property),
          property.example === null ? "—" : <Value key="example" of={property.example} />,
          <Share key="share" of={property.share} />,
          <When key="seen" at={property.lastSeen} none="never" />,
        ])}
      />
      {of.overflow > 0 && <p className="notice warn">{plural(of.overflow, "value")} had names beyond the limit.</p>}
    </Panel>
  )
}

/** Of the messages of the last seven days, those that have the property. */
function Share({ of }: { of: number | null }) {
  if (of === null) return <span className="mute">—</span>
  const percent = 100 * of
  return (
    <span className="number">{percent > 0 && percent < 0.1 ? "< 0.1" : value(Math.round(10 * percent) / 10)} %</span>
  )
}

function typesOf({ type, types, declared }: PropertySummary): string {
  const others = types.filter((other) => other.type !== type).map((other) => other.type)
  const arrived = type ?? declared?.type ?? "—"
  return others.length ? `${arrived}, also ${others.join(", ")}` : arrived
}

function Violations({ of }: { of: Found }) {
  if (of.violations.length === 0) return null
  return (
    <Panel title="Does not fit" aside={<span className="mute">7 days</span>}>
      <ul className="lines">
        {of.violations.map(({ day, code, path, rejected, n }) => (
          <li key={`${day} ${code} ${path}`}>
            <span>
              <code>{code}</code> {path} {rejected && <Badge tone="bad">refused</Badge>}
            </span>
            <span className="mute">
              <Count n={n} /> on {day}
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  )
}

function Senders({ of }: { of: Found }) {
  return (
    <Panel title="SDKs">
      {of.sdks.length === 0 && <p className="mute">None in the last 90 days.</p>}
      <ul className="lines">
        {of.sdks.map(({ sdk, n, firstDay, lastDay }) => (
          <li key={sdk}>
            <span className="break">{sdk || <span className="mute">no SDK named</span>}</span>
            <span className="mute" title={`${firstDay} to ${lastDay}`}>
              <Count n={n} />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  )
}

function Versions({ of }: { of: Found }) {
  if (of.versions.length === 0) return null
  return (
    <Panel title="Versions">
      <ul className="lines stacked-lines">
        {of.versions.map((version) => (
          <li key={version.name}>
            <span>
              <Link to="/registry/$name" params={{ name: version.name }}>
                {version.name}
              </Link>{" "}
              <span className="mute">
                <Count n={version.lately} /> in 7 days
              </span>
            </span>
            <Differs of={version} />
          </li>
        ))}
      </ul>
    </Panel>
  )
}

function Differs({ of }: { of: EventVersion }) {
  const parts = [
    of.added.length > 0 && `adds ${of.added.join(", ")}`,
    of.removed.length > 0 && `lacks ${of.removed.join(", ")}`,
    of.changed.length > 0 && of.changed.map(({ name, before, after }) => `${name}: ${before} → ${after}`).join(", "),
  ].filter(Boolean)
  return parts.length ? <small className="mute">{parts.join("; ")}</small> : null
}
