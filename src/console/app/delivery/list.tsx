/** The destinations: where what happens is sent, how far each is, and what went wrong. */
import { Link } from "@tanstack/react-router"
import type { Destination, DestinationHealth } from "../lib/api.ts"
import { plural } from "../lib/format.ts"
import { Badge, Count, Empty, When } from "../ui/parts.tsx"
import "./delivery.css"
import { KindList } from "./frames.tsx"
import { DESTINATION } from "./kinds.ts"
import { useHealths } from "./queries.ts"
import { Lag, State } from "./state.tsx"
import { addressOf, KINDS, typeOf } from "./words.ts"

const LEAD = "What happens here, sent elsewhere: in order for each person, at least once."

export function DestinationsPage() {
  const healths = useHealths()
  return (
    <KindList<Destination> of={DESTINATION} lead={LEAD}>
      {(all, q, drafts) => <Rows all={all} q={q} drafts={drafts} healths={healths.data} />}
    </KindList>
  )
}

interface RowsProps {
  all: Destination[]
  q: string
  drafts: string[]
  healths: Map<string, DestinationHealth> | undefined
}

function Rows({ all, q, drafts, healths }: RowsProps) {
  if (all.length === 0) {
    return (
      <Empty title="No destinations yet">
        <p>
          A destination gets a signed request when a profile enters or leaves a segment, when profiles are merged, and
          when a flag changes. It gets what happens after it was saved.
        </p>
        <p>
          <Link className="button" to="/destinations/new">
            Make the first one
          </Link>
        </p>
      </Empty>
    )
  }
  const shown = all.filter((one) => matches(one, q))
  if (shown.length === 0) return <Empty title={`None of the ${plural(all.length, "destination")} has “${q}”`} />
  return (
    <div className="table-frame">
      <table className="destinations">
        <thead>
          <tr>
            <th scope="col">Destination</th>
            <th scope="col">State</th>
            <th scope="col" className="end">
              Behind
            </th>
            <th scope="col" className="end wide-only">
              Waiting
            </th>
            <th scope="col" className="end">
              Undelivered
            </th>
            <th scope="col" className="end wide-only">
              Failed attempts
            </th>
            <th scope="col" className="end wide-only">
              Last success
            </th>
            <th scope="col" className="end wide-only">
              Last failure
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <Row key={one.key} of={one} health={healths?.get(one.key)} drafted={drafts.includes(one.key)} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Row({ of, health, drafted }: { of: Destination; health?: DestinationHealth; drafted: boolean }) {
  const type = typeOf(of.document)
  return (
    <tr>
      <td>
        <Link className="row-link" to="/destinations/$name" params={{ name: of.key }} search={{}}>
          {of.name}
        </Link>
        {drafted && <Badge tone="info">draft</Badge>}
        <p className="mute small wide-only">
          {KINDS[type] ?? type} to <span className="break">{addressOf(of.document)}</span>
        </p>
      </td>
      <td>{health ? <State of={health} /> : <span className="mute">…</span>}</td>
      <td className="end">{health ? <Lag of={health} /> : "…"}</td>
      <td className="end wide-only">{health ? <Count n={health.waiting} /> : "…"}</td>
      <td className="end">
        {health && health.undelivered > 0 ? (
          <Link to="/destinations/$name" params={{ name: of.key }} search={{ tab: "undelivered" }}>
            <Count n={health.undelivered} />
          </Link>
        ) : (
          <Count n={health?.undelivered ?? null} />
        )}
      </td>
      <td className="end wide-only">{health ? <Count n={health.failed} /> : "…"}</td>
      <td className="end wide-only">{health ? <When at={health.lastSuccessAt} none="never" /> : "…"}</td>
      <td className="end wide-only">{health ? <When at={health.lastFailureAt} none="never" /> : "…"}</td>
    </tr>
  )
}

function matches({ key, name, description, document }: Destination, text: string): boolean {
  const looked = `${key}\n${name}\n${description}\n${typeOf(document)}\n${addressOf(document)}`.toLowerCase()
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => looked.includes(word))
}
