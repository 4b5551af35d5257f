/** A person: what is known of them now and why, what they did, how it came to be, and who they are one with. */
import { Link, useParams, useSearch } from "@tanstack/react-router"
import type { Profile } from "../lib/api.ts"
import { value } from "../lib/format.ts"
import { useMay } from "../lib/me.ts"
import { Announcement } from "../ui/announced.tsx"
import { Answered, Page, Panel, When } from "../ui/parts.tsx"
import { Tabs, useTab } from "../ui/tabs.tsx"
import { Actions } from "./actions.tsx"
import { Events } from "./events.tsx"
import { HistoryOf } from "./history.tsx"
import { Identity } from "./identity.tsx"
import { identifierOf, nameOf } from "./names.ts"
import { Flags, Segments, Traits } from "./now.tsx"
import "./people.css"
import { useLifetime, usePerson } from "./queries.ts"

const TABS = { now: "Now", events: "Events", history: "History" }
const ADMIN_TABS = { ...TABS, identity: "Identity" }

export function PersonPage() {
  const { id = "" } = useParams({ strict: false })
  const { by } = useSearch({ strict: false })
  const answer = usePerson(id, by)
  const person = answer.data
  const may = useMay("admin")
  return (
    <Page
      above={<Link to="/users">People</Link>}
      title={person ? nameOf(person) : id}
      lead={person && identifierOf(person)}
      aside={may && person && <Actions of={person} />}
    >
      {person && <Announcement place={`person ${person.id}`} />}
      <Answered answer={answer} lines={12}>
        {(found) => <Content person={found} />}
      </Answered>
    </Page>
  )
}

function Content({ person }: { person: Profile }) {
  const tabs: Record<string, string> = useMay("admin") ? ADMIN_TABS : TABS
  const tab = useTab(tabs)
  return (
    <>
      <Tabs of={tabs} kept={["by"]} />
      {tab === "now" && (
        <div className="columns">
          <div className="main-column">
            <Segments person={person} />
            <Flags id={person.id} />
            <Traits person={person} />
          </div>
          <div className="side-column">
            <Life id={person.id} />
            <Panel title="Properties">
              <Properties of={person.properties} />
            </Panel>
            <Identifiers of={person} />
            <Group of={person} />
          </div>
        </div>
      )}
      {tab === "events" && <Events id={person.id} />}
      {tab === "history" && <HistoryOf person={person} />}
      {tab === "identity" && <Identity person={person} />}
    </>
  )
}

function Life({ id }: { id: string }) {
  const answer = useLifetime(id)
  return (
    <Panel title="Lifetime">
      <Answered answer={answer} lines={3}>
        {({ firstSeen, lastSeen, events, activeDays, sessions, revenue }) => (
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
            {revenue !== null && (
              <div>
                <dt>Revenue</dt>
                <dd>{value(Number(revenue))}</dd>
              </div>
            )}
          </dl>
        )}
      </Answered>
    </Panel>
  )
}

function Properties({ of }: { of: Record<string, unknown> }) {
  const pairs = Object.entries(of)
  if (pairs.length === 0) return <p className="mute">None is known.</p>
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

function Identifiers({ of }: { of: Profile }) {
  return (
    <Panel title="Identifiers">
      <ul className="names">
        {of.identifiers.map(({ kind, value: text }) => (
          <li key={`${kind} ${text}`}>
            <span className="mute">{kind}</span> <span className="break">{text}</span>
          </li>
        ))}
      </ul>
    </Panel>
  )
}

function Group({ of }: { of: Profile }) {
  const may = useMay("admin")
  if (of.group === null) return null
  return (
    <Panel title="Group">
      <p>
        {may ? (
          <Link className="break" to="/groups/$name" params={{ name: of.group.id }}>
            {of.group.id}
          </Link>
        ) : (
          <b className="break">{of.group.id}</b>
        )}{" "}
        <span className="mute">since</span> <When at={of.group.since} />
      </p>
    </Panel>
  )
}
