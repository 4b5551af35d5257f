/** Columns side by side, from zero, each with its name below. */
import { max } from "d3-array"
import { scaleLinear } from "d3-scale"
import { fitting } from "./legend.ts"
import { named } from "./scales.ts"
import { useWidth } from "./width.ts"

const TOP = 12
const BOTTOM = 28
const LEFT = 52
const RIGHT = 8
const NAME = 64

/** A table beside it has the same numbers, for the keyboard and for ears. */
export function BarChart(props: {
  label: string
  bars: { name: string; value: number; title: string }[]
  height?: number
  format: (value: number) => string
  onPick?: (bar: number) => void
}) {
  const { bars, format, height = 240, onPick } = props
  const [place, width] = useWidth<HTMLDivElement>()
  const inner = Math.max(40, width - LEFT - RIGHT)
  const band = inner / Math.max(1, bars.length)
  const y = scaleLinear()
    .domain([0, max(bars, ({ value }) => value) || 1])
    .nice(4)
    .range([height - BOTTOM, TOP])
  const shown = new Set(named(bars.length, inner, NAME))
  return (
    <div className="chart-place" ref={place}>
      <svg
        className="chart"
        width={width}
        height={height}
        role="img"
        aria-label={`${props.label}: ${bars.map(({ name, value }) => `${name} ${format(value)}`).join(", ")}`}
      >
        {y.ticks(4).map((tick) => (
          <g key={tick} className="chart-tick">
            <line x1={LEFT} x2={LEFT + inner} y1={y(tick)} y2={y(tick)} data-zero={tick === 0 ? "" : undefined} />
            <text x={LEFT - 8} y={y(tick)} textAnchor="end" dominantBaseline="central">
              {format(tick)}
            </text>
          </g>
        ))}
        {bars.map(({ name, value, title }, index) => (
          <g key={name} data-series={0}>
            {/* biome-ignore lint/a11y/noStaticElementInteractions: the table opens the same people by the keyboard */}
            <rect
              className="chart-bar"
              data-pick={onPick && value > 0 ? "" : undefined}
              x={LEFT + (index + 0.14) * band}
              width={Math.max(1, band * 0.72)}
              y={y(value)}
              height={y(0) - y(value)}
              onClick={() => value > 0 && onPick?.(index)}
            >
              <title>{title}</title>
            </rect>
            {shown.has(index) && (
              <text x={LEFT + (index + 0.5) * band} y={height - 8} textAnchor="middle">
                {fitting(name, Math.max(NAME, band))}
              </text>
            )}
          </g>
        ))}
      </svg>
    </div>
  )
}
