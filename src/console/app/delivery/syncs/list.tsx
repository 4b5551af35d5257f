/** The syncs: whose records are kept in step where, how each is, and when it ran. */
import { Link } from "@tanstack/react-router"
import type { Sync } from "../../lib/api.ts"
import { plural } from "../../lib/format.ts"
import { Badge, Count, Empty, When } from "../../ui/parts.tsx"
import "../delivery.css"
import { KindList } from "../frames.tsx"
import { SYNC } from "../kinds.ts"
import { useSyncHealth } from "./queries.ts"
import { State } from "./state.tsx"

const LEAD = "A record for each person, kept in step at a destination."

export function SyncsPage() {
  return (
    <KindList<Sync> of={SYNC} lead={LEAD}>
      {(all, q, drafts) => <Rows all={all} q={q} drafts={drafts} />}
    </KindList>
  )
}

function Rows({ all, q, drafts }: { all: Sync[]; q: string; drafts: string[] }) {
  if (all.length === 0) {
    return (
      <Empty title="No syncs yet">
        <p>
          A sync sends a record for each member of a segment, or for all people, to a webhook or an HTTP API: when it
          changes, and again only then. Its destination is made first.
        </p>
        <p className="edit-actions empty-actions">
          <Link className="button" to="/syncs/new">
            Make the first one
          </Link>
          <Link className="button" to="/destinations">
            Destinations
          </Link>
        </p>
      </Empty>
    )
  }
  const shown = all.filter((one) => matches(one, q))
  if (shown.length === 0) return <Empty title={`None of the ${plural(all.length, "sync")} has “${q}”`} />
  return (
    <div className="table-frame">
      <table className="destinations">
        <thead>
          <tr>
            <th scope="col">Sync</th>
            <th scope="col">State</th>
            <th scope="col" className="wide-only">
              Destination
            </th>
            <th scope="col" className="wide-only">
              Mode
            </th>
            <th scope="col" className="end">
              Records
            </th>
            <th scope="col" className="end wide-only">
              Waiting
            </th>
            <th scope="col" className="end">
              Failed
            </th>
            <th scope="col" className="end wide-only">
              Last run
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <Row key={one.key} of={one} drafted={drafts.includes(one.key)} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Row({ of, drafted }: { of: Sync; drafted: boolean }) {
  const health = useSyncHealth(of.key)
  const { destination, segment, mode = "upsert" } = of.document
  const counts = health.data?.counts
  const failed = counts ? counts.failed + counts.failedRemovals : null
  return (
    <tr>
      <td>
        <Link className="row-link" to="/syncs/$name" params={{ name: of.key }} search={{}}>
          {of.name}
        </Link>
        {drafted && <Badge tone="info">draft</Badge>}
        <p className="mute small wide-only">{segment ? `members of ${segment}` : "all people"}</p>
      </td>
      <td>
        {health.data ? <State of={health.data} /> : <span className="mute">{health.error ? "unknown" : "…"}</span>}
      </td>
      <td className="wide-only">
        <Link to="/destinations/$name" params={{ name: destination }} search={{}}>
          {destination}
        </Link>
      </td>
      <td className="wide-only">{mode}</td>
      <td className="end">
        <Count n={counts?.sent ?? null} />
      </td>
      <td className="end wide-only">
        <Count n={counts?.waiting ?? null} />
      </td>
      <td className="end">
        {failed ? (
          <Link to="/syncs/$name" params={{ name: of.key }} search={{ tab: "records" }}>
            <Count n={failed} />
          </Link>
        ) : (
          <Count n={failed} />
        )}
      </td>
      <td className="end wide-only">{health.data ? <When at={health.data.ranAt} none="never" /> : "…"}</td>
    </tr>
  )
}

function matches({ key, name, description, document }: Sync, text: string): boolean {
  const { destination, segment = "", mode = "upsert" } = document
  const looked = `${key}\n${name}\n${description}\n${destination}\n${segment}\n${mode}`.toLowerCase()
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => looked.includes(word))
}
