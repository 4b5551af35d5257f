import { Link } from "@tanstack/react-router"
import { type ReactNode, useState } from "react"
import { RequestFailed } from "../lib/client.ts"
import { count, moment, plural, rate } from "../lib/format.ts"
import { useMay, useZone } from "../lib/me.ts"
import { byCode, overTime } from "../quality/counts.ts"
import { nameInWords } from "../registry/words.tsx"
import { usePage } from "../shell/pages.ts"
import { Bars } from "../ui/bars.tsx"
import { Answered, Badge, Count, Empty, Page, Panel, useNow, When } from "../ui/parts.tsx"
import { publishedToday, running } from "./counts.ts"
import { FirstEvent } from "./first_event.tsx"
import { History } from "./history.tsx"
import "./overview.css"
import {
  HOURS,
  SPANS,
  useActive,
  useBackfills,
  useBusiest,
  useFigures,
  useNewest,
  useRefused,
  useRevisions,
  useStaleFlags,
} from "./queries.ts"

const MOST_EVENTS = 10
const MOST_CODES = 6
/** Work that waits longer than this is behind. */
const BEHIND_MS = 10_000

export function OverviewPage() {
  const newest = useNewest()
  const [begun, setBegun] = useState(false)
  // It stays while the first event is looked at, until the person goes on.
  const [wasEmpty, setWasEmpty] = useState(false)
  const empty = newest.data?.events.length === 0
  if (empty && !wasEmpty) setWasEmpty(true)
  if (wasEmpty && !begun) return <FirstEvent go={() => setBegun(true)} />
  return (
    <Page title="Overview" lead="What this environment takes, decides and waits for.">
      <Figures />
      <History />
      <div className="columns">
        <div>
          <Busiest />
          <Refused />
        </div>
        <div>
          <Work />
          <Changes />
          <Stale />
        </div>
      </div>
    </Page>
  )
}

function Figures() {
  const may = useMay("admin")
  const answer = useFigures()
  return (
    <dl className="figures">
      {SPANS.map((days) => (
        <Active key={days} days={days} />
      ))}
      {may && (
        <>
          <Figure name="People" to="/users">
            {answer.data && <Estimate {...answer.data.profiles} />}
          </Figure>
          <Figure name="Events" to="/live">
            {answer.data && <Estimate {...answer.data.events} />}
          </Figure>
          <Figure name="Events a second" to="/live">
            {answer.data && <span title="Over the last minute">{rate(answer.data.eventsPerSecond)}</span>}
          </Figure>
        </>
      )}
    </dl>
  )
}

const NAMES = { 1: "Active today", 7: "Active in 7 days", 30: "Active in 30 days" }

function Active({ days }: { days: (typeof SPANS)[number] }) {
  const answer = useActive(days)
  const problem = answer.error
  return (
    <Figure name={NAMES[days]} to="/insights">
      {answer.data ? (
        <Count n={answer.data.people} />
      ) : (
        problem && (
          <span className="mute" title={problem.message}>
            — <small>{problem instanceof RequestFailed && REASONS[problem.code]}</small>
          </span>
        )
      )}
    </Figure>
  )
}

const REASONS: Record<string, string> = {
  ANALYTICS_MISSING: "analytics is not installed",
  ANALYTICS_FILLING: "analytics is being filled",
  ANALYTICS_AWAY: "analytics is away",
}

function Figure({ name, to, children }: { name: string; to: string; children: ReactNode }) {
  const exists = usePage(to)
  return (
    <div>
      <dt>{exists ? <Link to={to}>{name}</Link> : name}</dt>
      <dd>{children || <span className="mute">…</span>}</dd>
    </div>
  )
}

function Estimate({ value: n, exact }: { value: number; exact: boolean }) {
  return (
    <>
      {exact ? "" : "≈ "}
      <Count n={n} />
    </>
  )
}

function Busiest() {
  const answer = useBusiest()
  const registry = usePage("/registry")
  return (
    <Panel title="Busiest events" aside={registry && <Link to="/registry">All events</Link>}>
      <Answered answer={answer} lines={MOST_EVENTS}>
        {({ events }) => {
          const seen = events.filter(({ total }) => total > 0).slice(0, MOST_EVENTS)
          const most = Math.max(1, ...seen.map(({ lately }) => lately))
          if (seen.length === 0) return <Empty title="No events yet" />
          return (
            <div className="table-frame">
              <table className="busiest">
                <thead>
                  <tr>
                    <th scope="col">Event</th>
                    <th scope="col" className="wide-only">
                      <span className="hidden">Share of the busiest</span>
                    </th>
                    <th scope="col" className="end">
                      7 days
                    </th>
                    <th scope="col" className="end wide-only">
                      Today
                    </th>
                    <th scope="col" className="end">
                      Last
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {seen.map(({ name, lately, today, lastSeen }) => (
                    <tr key={name}>
                      <td>
                        {registry ? (
                          <Link className="row-link" to={`/registry/${encodeURIComponent(name)}`}>
                            {nameInWords(name)}
                          </Link>
                        ) : (
                          <Link className="row-link" to="/live" search={{ event: name }}>
                            {nameInWords(name)}
                          </Link>
                        )}
                      </td>
                      <td className="wide-only share">
                        <span style={{ width: `${(100 * lately) / most}%` }} />
                      </td>
                      <td className="end">
                        <Count n={lately} />
                      </td>
                      <td className="end wide-only">
                        <Count n={today} />
                      </td>
                      <td className="end">
                        <When at={lastSeen} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }}
      </Answered>
    </Panel>
  )
}

function Refused() {
  const may = useMay("admin")
  const answer = useRefused()
  const quality = usePage("/quality")
  const zone = useZone()
  const now = useNow(60_000)
  if (!may) return null
  return (
    <Panel
      title="Refused in 24 hours"
      aside={
        quality ? (
          <Link to="/quality">Quality</Link>
        ) : (
          <Link to="/live" search={{ status: "rejected" }}>
            Watch
          </Link>
        )
      }
    >
      <Answered answer={answer} lines={3}>
        {({ counts }) => {
          const codes = byCode(counts)
          if (codes.length === 0) return <p className="mute">No message was refused.</p>
          return (
            <>
              <Bars
                label="Refused messages by hour"
                bars={overTime(counts, HOURS, now, zone)}
                each="an hour"
                when={(at) => moment(at, zone, now)}
              />
              <dl className="counts">
                {codes.slice(0, MOST_CODES).map(({ code, messages, repeats }) => (
                  <div key={code}>
                    <dt>
                      {quality ? (
                        <Link to="/quality" search={{ code }}>
                          <code>{code}</code>
                        </Link>
                      ) : (
                        <code>{code}</code>
                      )}
                    </dt>
                    <dd>
                      <Count n={messages + repeats} />
                    </dd>
                  </div>
                ))}
              </dl>
            </>
          )
        }}
      </Answered>
    </Panel>
  )
}

function Work() {
  const may = useMay("admin")
  const figures = useFigures()
  const backfills = useBackfills()
  return (
    <Panel title="Health">
      {may && (
        <Answered answer={figures} lines={3}>
          {({ databaseAway, lagMs, overdueWakeups, ingestQueue }) => (
            <dl className="counts">
              <div>
                <dt>Database</dt>
                <dd>{databaseAway ? <Badge tone="bad">away</Badge> : <Badge tone="good">reached</Badge>}</dd>
              </div>
              <div>
                <dt>Work by the clock</dt>
                <dd>
                  {lagMs > BEHIND_MS ? (
                    <Badge tone="warn">
                      {plural(Math.round(lagMs / 1000), "second")} behind, {count(overdueWakeups)} wait
                    </Badge>
                  ) : (
                    <Badge tone="good">on time</Badge>
                  )}
                </dd>
              </div>
              <div>
                <dt>Messages waiting</dt>
                <dd>
                  <Count n={ingestQueue} />
                </dd>
              </div>
            </dl>
          )}
        </Answered>
      )}
      <Answered answer={backfills} lines={1}>
        {({ backfills: all }) => {
          const now = running(all)
          if (now.length === 0) return <p className="mute">All definitions are computed.</p>
          return (
            <ul>
              {now.map(({ revision, progress, startedAt }) => (
                <li key={revision}>
                  Revision {revision} is computed: {count(progress.done)} of {count(progress.total)},{" "}
                  {progress.secondsLeft === null
                    ? "begun "
                    : `about ${plural(Math.ceil(progress.secondsLeft), "second")} left, begun `}
                  <When at={startedAt} />
                  <progress max={progress.total || 1} value={progress.done} aria-label={`Revision ${revision}`} />
                </li>
              ))}
            </ul>
          )
        }}
      </Answered>
    </Panel>
  )
}

function Changes() {
  const answer = useRevisions()
  const zone = useZone()
  const now = useNow(60_000)
  const changes = usePage("/changes")
  return (
    <Panel title="Changed today" aside={changes && <Link to="/changes">All changes</Link>}>
      <Answered answer={answer} lines={2}>
        {({ revisions }) => {
          const today = publishedToday(revisions, now, zone)
          if (today.length === 0) return <p className="mute">No definition was changed.</p>
          return (
            <ul className="lines">
              {today.map(({ revision, author, note, publishedAt, liveAt }) => (
                <li key={revision}>
                  <p>
                    {changes ? (
                      <Link to={`/changes/${revision}`}>Revision {revision}</Link>
                    ) : (
                      <b>Revision {revision}</b>
                    )}{" "}
                    {liveAt === null && <Badge tone="info">computing</Badge>}
                  </p>
                  {note && <p>{note}</p>}
                  <p className="mute small">
                    {author}, <When at={publishedAt} />
                  </p>
                </li>
              ))}
            </ul>
          )
        }}
      </Answered>
    </Panel>
  )
}

function Stale() {
  const answer = useStaleFlags()
  return (
    <Panel title="Stale flags">
      <Answered answer={answer} lines={2}>
        {({ flags, days }) =>
          flags.length === 0 ? (
            <p className="mute">No flag has been without use or change for {days} days.</p>
          ) : (
            <ul className="lines">
              {flags.map(({ flag, reasons }) => (
                <li key={flag}>
                  <p>
                    <Link to="/flags/$name" params={{ name: flag }}>
                      {flag}
                    </Link>
                  </p>
                  {reasons.map(({ code, text }) => (
                    <p key={code} className="mute">
                      {text}
                    </p>
                  ))}
                </li>
              ))}
            </ul>
          )
        }
      </Answered>
    </Panel>
  )
}
