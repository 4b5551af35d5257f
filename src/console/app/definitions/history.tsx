/** How a segment changed: its members, entries and exits by hour, day or week, and the changes one by one. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query"
import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import "../charts/charts.css"
import type { Span } from "../charts/scales.ts"
import { longName } from "../charts/scales.ts"
import { TimeChart } from "../charts/time_chart.tsx"
import type { Segment, SegmentHistory, SegmentTransition, SegmentTransitions } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { count, exactCount } from "../lib/format.ts"
import { useSession } from "../lib/session.ts"
import { identifierOf } from "../people/names.ts"
import { Choice } from "../ui/fields.tsx"
import { Older } from "../ui/older.tsx"
import { Answered, Badge, Panel, When } from "../ui/parts.tsx"

const BUCKETS = [
  { value: "hour", title: "Hours" },
  { value: "day", title: "Days" },
  { value: "week", title: "Weeks" },
] as const
type Bucket = (typeof BUCKETS)[number]["value"]

const KINDS = [
  { value: "", title: "All" },
  { value: "entered", title: "Entered" },
  { value: "left", title: "Left" },
] as const
type Kind = (typeof KINDS)[number]["value"]

/** What moved a person, in words. */
const CAUSES: Record<string, string> = {
  event: "a message",
  clock: "time passed",
  group: "its group changed",
  merge: "a merge",
  unmerge: "a merge undone",
  edit: "a new definition",
  repair: "a repair",
  anonymization: "an anonymisation",
}

interface Searched {
  bucket?: string
  kind?: string
  cause?: string
}

export default function HistoryOf({ of }: { of: Segment }) {
  const search = useSearch({ strict: false }) as Searched
  const navigate = useNavigate()
  const bucket = BUCKETS.find(({ value }) => value === search.bucket)?.value ?? "day"

  function look(change: Searched): void {
    const next = (before: object) => ({ ...before, ...change })
    navigate({ to: ".", search: next as never, replace: true, resetScroll: false })
  }

  return (
    <>
      <Over of={of} bucket={bucket} onBucket={(next) => look({ bucket: next === "day" ? undefined : next })} />
      <OneByOne of={of} search={search} look={look} />
    </>
  )
}

function Over({ of, bucket, onBucket }: { of: Segment; bucket: Bucket; onBucket: (bucket: Bucket) => void }) {
  const { key } = useSession()
  const answer = useQuery({
    queryKey: ["definitions", "segments", of.key, "history", bucket, of.version, of.members],
    queryFn: ({ signal }) =>
      ask<SegmentHistory>(address(["admin", "segments", of.key, "history"], { bucket }), { signal }),
    placeholderData: (former, query) => (query?.queryKey[2] === of.key ? former : undefined),
    enabled: key !== "",
  })
  return (
    <Panel
      title="Over time"
      aside={<Choice label="Width of a bucket" options={BUCKETS} value={bucket} onChange={onBucket} />}
    >
      <Answered answer={answer} lines={10}>
        {(history) => <Charts of={history} />}
      </Answered>
    </Panel>
  )
}

function Charts({ of }: { of: SegmentHistory }) {
  const spans: Span[] = of.buckets.map(({ start, end }) => ({ start, end, complete: end <= of.asOf }))
  const drawn = { buckets: spans, size: of.bucket, zone: of.zone, format: count }
  const moved = of.buckets.some((one) => one.moved !== 0)
  if (spans.length === 0) return <p className="mute">Nothing is known of its past yet.</p>
  return (
    <>
      <h3>Members</h3>
      <TimeChart
        {...drawn}
        label="Members over time"
        height={200}
        series={[{ id: "members", name: "members", values: of.buckets.map(({ members }) => members) }]}
      />
      <h3>Entered and left</h3>
      <TimeChart
        {...drawn}
        label="Entries and exits over time"
        height={200}
        shape="bars"
        series={[
          { id: "entered", name: "entered", values: of.buckets.map(({ entered }) => entered) },
          { id: "left", name: "left", values: of.buckets.map(({ left }) => left) },
        ]}
      />
      <details>
        <summary>Table</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
        <section className="table-frame" tabIndex={0} aria-label="Table of the history">
          <table>
            <thead>
              <tr>
                <th scope="col">Begins</th>
                <th scope="col" className="end">
                  Entered
                </th>
                <th scope="col" className="end">
                  Left
                </th>
                {moved && (
                  <th scope="col" className="end">
                    Moved by merges
                  </th>
                )}
                <th scope="col" className="end">
                  Members
                </th>
              </tr>
            </thead>
            <tbody>
              {of.buckets.toReversed().map((one, at) => (
                <tr key={one.start}>
                  <th scope="row">
                    {longName(spans[spans.length - 1 - at] as Span, of.bucket, of.zone)}
                    {one.end > of.asOf && <small className="mute"> so far</small>}
                  </th>
                  <td className="end">{exactCount(one.entered)}</td>
                  <td className="end">{exactCount(one.left)}</td>
                  {moved && <td className="end">{exactCount(one.moved)}</td>}
                  <td className="end">{exactCount(one.members)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </details>
    </>
  )
}

function OneByOne(props: { of: Segment; search: Searched; look: (change: Searched) => void }) {
  const { of, search, look } = props
  const { key } = useSession()
  const kind: Kind = KINDS.find(({ value }) => value === search.kind)?.value ?? ""
  const cause = search.cause ?? ""
  const answer = useInfiniteQuery({
    queryKey: ["definitions", "segments", of.key, "transitions", kind, cause],
    queryFn: ({ pageParam, signal }) =>
      ask<SegmentTransitions>(
        address(["admin", "segments", of.key, "transitions"], {
          kind: kind || undefined,
          cause: cause || undefined,
          cursor: pageParam || undefined,
        }),
        { signal },
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: (former, query) => (query?.queryKey[2] === of.key ? former : undefined),
    enabled: key !== "",
  })
  return (
    <Panel
      title="One by one"
      aside={
        <div className="page-tools">
          <select
            className="field"
            aria-label="Cause"
            value={cause}
            onChange={({ target }) => look({ cause: target.value || undefined })}
          >
            <option value="">Any cause</option>
            {Object.entries(CAUSES).map(([value, title]) => (
              <option key={value} value={value}>
                {title}
              </option>
            ))}
          </select>
          <Choice
            label="Entries or exits"
            options={KINDS}
            value={kind}
            onChange={(next) => look({ kind: next || undefined })}
          />
        </div>
      }
    >
      <Answered answer={answer} lines={8}>
        {({ pages }) => {
          const all = pages.flatMap(({ transitions }) => transitions)
          return (
            <>
              {all.length ? <Transitions all={all} /> : <p className="mute">No person entered or left it.</p>}
              <Older of={answer} title="Older" />
            </>
          )
        }}
      </Answered>
    </Panel>
  )
}

function Transitions({ all }: { all: SegmentTransition[] }) {
  return (
    <div className="table-frame">
      <table>
        <thead>
          <tr>
            <th scope="col">Person</th>
            <th scope="col">Change</th>
            <th scope="col" className="wide-only">
              By
            </th>
            <th scope="col" className="end">
              When
            </th>
          </tr>
        </thead>
        <tbody>
          {all.map((one) => (
            <tr key={`${one.profileId} ${one.at} ${one.entered} ${one.recordedAt}`}>
              <td>
                <Link className="row-link" to="/users/$id" params={{ id: one.profileId }} search={{ by: "profileId" }}>
                  {identifierOf({ id: one.profileId, identifiers: one.identifiers, properties: {} })}
                </Link>
              </td>
              <td>
                <Badge tone={one.entered ? "good" : "quiet"}>{one.entered ? "entered" : "left"}</Badge>
              </td>
              <td className="wide-only mute">{one.cause === null ? "—" : (CAUSES[one.cause] ?? one.cause)}</td>
              <td className="end">
                <When at={one.at} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
