/** The last hours of the environment, each figure as a row of bars. */
import { exactCount, moment } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { Answered, Panel, useNow } from "../ui/parts.tsx"
import "../ui/bars.css"
import { grouped, type Minute } from "./counts.ts"
import { HISTORY_HOURS, useHistory } from "./queries.ts"

/** Bars of a minute each would be thinner than can be pointed at. */
const MINUTES_OF_BAR = 6

interface Shown {
  title: string
  of: (minute: Minute) => number | null
  /** Of the minutes that a bar stands for. */
  as: "mean" | "most"
  text: (n: number) => string
}

const rate = (n: number) => `${exactCount(n < 10 ? Math.round(n * 10) / 10 : Math.round(n))} a minute`
const duration = (ms: number) =>
  ms < 1000 ? `${exactCount(Math.round(ms * 10) / 10)} ms` : `${(ms / 1000).toFixed(1)} s`

const SHOWN: Shown[] = [
  { title: "Messages", of: ({ accepted, duplicates }) => accepted + duplicates, as: "mean", text: rate },
  { title: "Refused", of: ({ rejected }) => rejected, as: "mean", text: rate },
  { title: "Decisions", of: ({ decisions }) => decisions, as: "mean", text: rate },
  { title: "Commit, p50", of: ({ ingestP50Ms }) => ingestP50Ms, as: "most", text: duration },
  { title: "Commit, p99", of: ({ ingestP99Ms }) => ingestP99Ms, as: "most", text: duration },
  { title: "Lag", of: ({ lagMs }) => lagMs, as: "most", text: duration },
]

export function History() {
  const answer = useHistory()
  return (
    <Panel title={`The last ${HISTORY_HOURS} hours`}>
      <Answered answer={answer} lines={3}>
        {({ minutes }) => (
          <div className="sparks">
            {SHOWN.map((shown) => (
              <Spark key={shown.title} shown={shown} minutes={minutes} />
            ))}
          </div>
        )}
      </Answered>
    </Panel>
  )
}

function Spark({ shown, minutes }: { shown: Shown; minutes: Minute[] }) {
  const zone = useZone()
  const now = useNow(60_000)
  const bars = grouped(minutes, MINUTES_OF_BAR, shown.of, shown.as)
  const known = bars.flatMap(({ n }) => (n === null ? [] : [n]))
  const most = Math.max(0, ...known)
  const summary = known.length === 0 ? "Nothing yet" : `At most ${shown.text(most)}`
  return (
    <figure className="bars spark">
      <h3>{shown.title}</h3>
      <div role="img" aria-label={`${shown.title} in ${HISTORY_HOURS} hours: ${summary}`}>
        {bars.map(({ at, n }) => (
          <span key={at} title={`${moment(at, zone, now)}: ${n === null ? "—" : shown.text(n)}`}>
            <i style={{ height: n === null || n === 0 ? 0 : `max(2px, ${(100 * n) / (most || 1)}%)` }} />
          </span>
        ))}
      </div>
      <figcaption className="number">{summary}</figcaption>
    </figure>
  )
}
