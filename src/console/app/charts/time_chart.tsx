/** Values over time, as lines or bars: from zero, named at the lines, and readable by keyboard and ear. */
import { max, min } from "d3-array"
import { scaleLinear } from "d3-scale"
import { line } from "d3-shape"
import { type KeyboardEvent, type PointerEvent, useState } from "react"
import { apart, longName, named, runs, type Size, type Span, shortName, stack } from "./scales.ts"
import { useWidth } from "./width.ts"

/** More lines than these cannot be told apart. */
export const MOST_SERIES = 8

export interface ChartSeries {
  id: string
  name: string
  values: (number | null)[]
  /** The same of the range before, drawn thin. */
  before?: (number | null)[]
}

const TOP = 12
const BOTTOM = 28
const LEFT = 52
const LABEL_GAP = 15
const LABEL_WIDTH = 148
const NARROW = 560
const CHARACTERS = 20

/**
 * The chart. Arrow keys move the crosshair, and a live region reads what is under it; Enter opens the number.
 *
 * Laws: counts start from zero. A bucket that is not over is dashed, one that has not begun is not drawn.
 */
export function TimeChart(props: {
  label: string
  buckets: Span[]
  series: ChartSeries[]
  size: Size
  zone: string
  shape?: "lines" | "bars" | "stacked"
  height?: number
  format: (value: number) => string
  onPick?: (series: string, bucket: number) => void
}) {
  const { buckets, size, zone, format, height = 300 } = props
  const shape = props.shape ?? "lines"
  const series = props.series.slice(0, MOST_SERIES)
  const [place, width] = useWidth<HTMLDivElement>()
  const [at, setAt] = useState<number>()
  const [chosen, setChosen] = useState(0)
  const [heard, setHeard] = useState("")

  const wide = width >= NARROW
  const left = LEFT
  const right = shape === "lines" && wide ? LABEL_WIDTH : 12
  const inner = Math.max(40, width - left - right)
  const bottom = height - BOTTOM
  const stacked = shape === "stacked" ? stack(series, buckets.length) : undefined
  const drawn = stacked
    ? stacked.flatMap((parts) => parts.flat())
    : series.flatMap(({ values, before = [] }) => [...values, ...before])
  const known = drawn.filter((value): value is number => value !== null)
  const y = scaleLinear()
    .domain([Math.min(0, min(known) ?? 0), Math.max(max(known) ?? 0, known.length ? 0 : 1) || 1])
    .nice(4)
    .range([bottom, TOP])
  const band = inner / Math.max(1, buckets.length)
  const x = (index: number) =>
    shape === "lines"
      ? left + (buckets.length < 2 ? inner / 2 : (index * inner) / (buckets.length - 1))
      : left + (index + 0.5) * band
  const ticks = y.ticks(4)
  const complete = buckets.map((bucket) => bucket.complete)
  const current = at !== undefined && at < buckets.length ? at : undefined

  function move(to: number, series = chosen): void {
    const next = Math.max(0, Math.min(buckets.length - 1, to))
    setAt(next)
    setHeard(spoken(next, series))
  }

  function spoken(index: number, first: number): string {
    const bucket = buckets[index]
    if (!bucket) return ""
    const order = [...series.slice(first), ...series.slice(0, first)]
    const values = order.map(({ name, values }) => `${name} ${said(values[index])}`)
    return `${longName(bucket, size, zone)}${bucket.complete ? "" : ", not complete"}: ${values.join(", ")}`
  }

  function said(value: number | null | undefined): string {
    return value === null || value === undefined ? "unknown" : format(value)
  }

  function onKey(event: KeyboardEvent): void {
    const last = buckets.length - 1
    const from = current ?? (event.key === "ArrowRight" ? -1 : last + 1)
    if (event.key === "ArrowRight") move(from + 1)
    else if (event.key === "ArrowLeft") move(from - 1)
    else if (event.key === "Home") move(0)
    else if (event.key === "End") move(last)
    else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && series.length) {
      const next = (chosen + (event.key === "ArrowDown" ? 1 : -1) + series.length) % series.length
      setChosen(next)
      move(current ?? last, next)
    } else if (event.key === "Enter" && current !== undefined && series[chosen]) {
      props.onPick?.(series[chosen].id, current)
    } else return
    event.preventDefault()
  }

  function under(event: PointerEvent): number {
    const box = event.currentTarget.getBoundingClientRect()
    const along = event.clientX - box.left - left
    const step = shape === "lines" ? inner / Math.max(1, buckets.length - 1) : band
    const found = shape === "lines" ? Math.round(along / step) : Math.floor(along / step)
    return Math.max(0, Math.min(buckets.length - 1, found))
  }

  function nearest(event: PointerEvent): number {
    const height = event.clientY - event.currentTarget.getBoundingClientRect().top
    const index = under(event)
    const off = (one: number) => {
      if (stacked) {
        const [low, high] = stacked[one]?.[index] ?? [0, 0]
        return height <= y(low) && height >= y(high)
          ? 0
          : Math.min(Math.abs(y(low) - height), Math.abs(y(high) - height))
      }
      const value = series[one]?.values[index]
      return value === null || value === undefined ? Number.POSITIVE_INFINITY : Math.abs(y(value) - height)
    }
    return series.map((_, one) => one).sort((a, b) => off(a) - off(b))[0] ?? 0
  }

  return (
    <div
      className="chart-place"
      ref={place}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys move its crosshair
      tabIndex={0}
      role="application"
      aria-roledescription="chart"
      aria-label={`${props.label}. Arrow keys read its values${props.onPick ? ", Enter opens the people" : ""}.`}
      onKeyDown={onKey}
      onBlur={() => setAt(undefined)}
      onPointerMove={(event) => setAt(under(event))}
      onPointerLeave={() => setAt(undefined)}
      onPointerUp={(event) => {
        const found = series[nearest(event)]
        if (found) props.onPick?.(found.id, under(event))
      }}
    >
      <svg className="chart" width={width} height={height} aria-hidden="true" data-pick={props.onPick ? "" : undefined}>
        {ticks.map((tick) => (
          <g key={tick} className="chart-tick">
            <line x1={left} x2={left + inner} y1={y(tick)} y2={y(tick)} data-zero={tick === 0 ? "" : undefined} />
            <text x={left - 8} y={y(tick)} textAnchor="end" dominantBaseline="central">
              {format(tick)}
            </text>
          </g>
        ))}
        {named(buckets.length, inner, size === "hour" ? 104 : 64).map((index) => {
          const bucket = buckets[index]
          return (
            bucket && (
              <text key={bucket.start} className="chart-name" x={x(index)} y={height - 8} textAnchor="middle">
                {shortName(bucket, size, zone)}
              </text>
            )
          )
        })}
        {current !== undefined && (
          <line className="chart-cross" data-passing="" x1={x(current)} x2={x(current)} y1={TOP} y2={bottom} />
        )}
        {shape === "lines"
          ? series.map((one, index) => <Line key={one.id} of={one} index={index} complete={complete} x={x} y={y} />)
          : series.map((one, index) => (
              <g key={one.id} data-series={index}>
                {one.values.map((value, at) => {
                  const [low, high] = stacked?.[index]?.[at] ?? [0, value ?? 0]
                  const own = stacked ? band * 0.7 : (band * 0.76) / series.length
                  const from = stacked ? x(at) - own / 2 : x(at) - band * 0.38 + index * own
                  return value === null ? null : (
                    <rect
                      key={buckets[at]?.start ?? at}
                      className="chart-bar"
                      x={from}
                      width={Math.max(1, own - 1)}
                      y={Math.min(y(low), y(high))}
                      height={Math.abs(y(low) - y(high))}
                      data-open={complete[at] ? undefined : ""}
                    />
                  )
                })}
              </g>
            ))}
        {current !== undefined &&
          shape === "lines" &&
          series.map(({ id, values }, index) => {
            const value = values[current]
            return value === null || value === undefined ? null : (
              <circle
                key={id}
                className="chart-dot"
                data-passing=""
                data-series={index}
                cx={x(current)}
                cy={y(value)}
                r="4"
              />
            )
          })}
        {shape === "lines" && wide && <Labels series={series} x={left + inner + 10} y={y} bottom={bottom} />}
      </svg>
      {(shape !== "lines" || !wide) && <Legend series={series} />}
      {current !== undefined && buckets[current] && (
        <div
          className="chart-tip"
          style={{
            [x(current) > width / 2 ? "right" : "left"]:
              x(current) > width / 2 ? width - x(current) + 12 : x(current) + 12,
          }}
        >
          <p>
            {longName(buckets[current], size, zone)}
            {!buckets[current].complete && <span className="mute"> · not complete</span>}
          </p>
          <ul>
            {series.map(({ id, name, values, before }, index) => (
              <li key={id}>
                <i className="chart-key" data-series={index} />
                <span>{name}</span>
                <b>{said(values[current])}</b>
                {before && <small className="mute">before {said(before[current])}</small>}
              </li>
            ))}
          </ul>
        </div>
      )}
      <p className="hidden" aria-live="polite">
        {heard}
      </p>
    </div>
  )
}

type Scale = (value: number) => number

function Line(props: { of: ChartSeries; index: number; complete: boolean[]; x: Scale; y: Scale }) {
  const { of, complete, x, y } = props
  const path = (values: (number | null)[], from: number, to: number) =>
    line<number>(
      (_, at) => x(from + at),
      (value) => y(value),
    )(values.slice(from, to + 1).map((value) => value ?? 0)) ?? ""
  return (
    <g data-series={props.index}>
      {of.before &&
        runs(
          of.before,
          of.before.map(() => true),
        ).map(({ from, to }) => (
          <path key={`before ${from}`} className="chart-line before" d={path(of.before ?? [], from, to)} />
        ))}
      {runs(of.values, complete).map(({ from, to, open }) =>
        from === to ? (
          <circle key={`${from} ${open}`} className="chart-point" cx={x(from)} cy={y(of.values[from] ?? 0)} r="3" />
        ) : (
          <path
            key={`${from} ${open}`}
            className="chart-line"
            data-open={open ? "" : undefined}
            d={path(of.values, from, to)}
          />
        ),
      )}
    </g>
  )
}

function Labels(props: { series: ChartSeries[]; x: number; y: Scale; bottom: number }) {
  const ends = props.series.map(({ values }) => values.findLast((value) => value !== null) ?? 0)
  const places = apart(ends.map(props.y), LABEL_GAP, TOP, props.bottom)
  return props.series.map(({ id, name }, index) => (
    <text key={id} className="chart-label" data-series={index} x={props.x} y={places[index]} dominantBaseline="central">
      {name.length > CHARACTERS ? `${name.slice(0, CHARACTERS - 1)}…` : name}
    </text>
  ))
}

export function Legend({ series }: { series: Pick<ChartSeries, "id" | "name">[] }) {
  return (
    <ul className="chart-legend">
      {series.map(({ id, name }, index) => (
        <li key={id}>
          <i className="chart-key" data-series={index} /> {name}
        </li>
      ))}
    </ul>
  )
}
