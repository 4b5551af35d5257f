/** A few numbers over time, one bar each. The title of a bar has its number; the table beside it has all of them. */
import { exactCount } from "../lib/format.ts"
import "./bars.css"

export interface Bar {
  at: string
  n: number
}

/**
 * Laws: bars begin at zero; the highest is as high as the row. One that is not zero is seen.
 */
export function Bars({
  bars,
  label,
  each,
  when,
}: {
  bars: Bar[]
  label: string
  /** What a bar is of: `an hour`. */
  each: string
  when: (at: string) => string
}) {
  const most = Math.max(1, ...bars.map(({ n }) => n))
  const first = bars[0]
  const last = bars.at(-1)
  const sum = bars.reduce((all, { n }) => all + n, 0)
  return (
    <figure className="bars">
      <div role="img" aria-label={`${label}: ${exactCount(sum)} in all, at most ${exactCount(most)} ${each}.`}>
        {bars.map(({ at, n }) => (
          <span key={at} title={`${when(at)}: ${exactCount(n)}`}>
            <i style={{ height: n === 0 ? 0 : `max(2px, ${(100 * n) / most}%)` }} />
          </span>
        ))}
      </div>
      <figcaption>
        <span>{first && when(first.at)}</span>
        <span className="number">
          at most {exactCount(most)} {each}
        </span>
        <span>{last && when(last.at)}</span>
      </figcaption>
    </figure>
  )
}

/** One bar for each step from `first` to `last`, so that what did not happen is seen as well. */
export function filled(found: Bar[], first: number, last: number, stepMs: number): Bar[] {
  const known = new Map(found.map((bar) => [Date.parse(bar.at), bar]))
  const bars: Bar[] = []
  for (let at = first; at <= last; at += stepMs) bars.push(known.get(at) ?? { at: new Date(at).toISOString(), n: 0 })
  return bars
}
