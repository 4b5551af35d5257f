/** How many come back as time goes by: the averages over complete cells, one line a group. */
import { scaleLinear } from "d3-scale"
import { line } from "d3-shape"
import { apart } from "../../charts/scales.ts"
import { useWidth } from "../../charts/width.ts"
import type { RetentionAnswer } from "../../lib/api.ts"
import { percent } from "../figures.ts"
import { groupName } from "../rates.ts"
import { type Bucket, periodName } from "./shape.ts"

const TOP = 12
const BOTTOM = 26
const LEFT = 52
const RIGHT = 132
const MOST_LINES = 8
const LABEL_GAP = 15
const NAME_WIDTH = 76

/** A drawing of what the first row of each table says; it is those tables that are read aloud. */
export function RetentionCurve(props: {
  answer: RetentionAnswer
  bucket: Bucket
  onOrAfter: boolean
  height?: number
}) {
  const { answer, bucket, onOrAfter, height = 220 } = props
  const [place, width] = useWidth<HTMLDivElement>()
  const groups = answer.groups.slice(0, MOST_LINES)
  const known = Math.max(0, ...groups.map(({ average }) => average.findLastIndex((share) => share !== null) + 1))
  if (known === 0) return <p className="mute">No period is over yet, so there is no average.</p>
  const right = groups.length > 1 ? RIGHT : 24
  const most = Math.max(0.01, ...groups.flatMap(({ average }) => average.map((share) => share ?? 0)))
  const y = scaleLinear()
    .domain([0, most])
    .nice(4)
    .range([height - BOTTOM, TOP])
  const x = scaleLinear()
    .domain([0, Math.max(1, known - 1)])
    .range([LEFT, Math.max(LEFT + 40, width - right)])
  const each = Math.max(1, Math.ceil(known / Math.max(1, (width - LEFT - right) / NAME_WIDTH)))
  const ends = groups.map(({ average }) => average.findLastIndex((share) => share !== null))
  const places = apart(
    groups.map(({ average }, at) => y(average[ends[at] ?? 0] ?? 0)),
    LABEL_GAP,
    TOP,
    height - BOTTOM,
  )
  return (
    <div className="chart-place" ref={place}>
      <svg className="chart" width={width} height={height} role="img" aria-label={spoken(answer, bucket, onOrAfter)}>
        {y.ticks(4).map((tick) => (
          <g key={tick} className="chart-tick">
            <line x1={LEFT} x2={width - right} y1={y(tick)} y2={y(tick)} data-zero={tick === 0 ? "" : undefined} />
            <text x={LEFT - 8} y={y(tick)} textAnchor="end" dominantBaseline="central">
              {percent(tick)}
            </text>
          </g>
        ))}
        {answer.periods.slice(0, known).map((period, at) =>
          at % each === 0 ? (
            <text
              key={period[0]}
              className="chart-name"
              x={x(at)}
              y={height - 6}
              textAnchor={at === 0 ? "start" : at === known - 1 ? "end" : "middle"}
            >
              {periodName(period, bucket, onOrAfter)}
            </text>
          ) : null,
        )}
        {groups.map(({ group, average }, index) => {
          const points = average.slice(0, known)
          const drawn = line<number | null>()
            .defined((share) => share !== null)
            .x((_, at) => x(at))
            .y((share) => y(share ?? 0))
          return (
            <g key={groupName(group)} data-series={index}>
              <path className="chart-line" d={drawn(points) ?? ""} />
              {points.map((share, at) =>
                share === null ? null : (
                  // biome-ignore lint/suspicious/noArrayIndexKey: a point is its period
                  <circle key={at} className="chart-point" cx={x(at)} cy={y(share)} r={3}>
                    <title>{`${groupName(group)}, ${periodName(answer.periods[at] ?? [at, at], bucket, onOrAfter)}: ${percent(share)}`}</title>
                  </circle>
                ),
              )}
              {groups.length > 1 && (
                <text
                  className="chart-label"
                  data-series={index}
                  x={x(ends[index] ?? 0) + 10}
                  y={places[index]}
                  dominantBaseline="central"
                >
                  {groupName(group)}
                </text>
              )}
            </g>
          )
        })}
      </svg>
    </div>
  )
}

function spoken({ groups, periods }: RetentionAnswer, bucket: Bucket, onOrAfter: boolean): string {
  const said = groups.map(({ group, average }) => {
    const shares = average.flatMap((share, at) =>
      share === null ? [] : [`${periodName(periods[at] ?? [at, at], bucket, onOrAfter)} ${percent(share)}`],
    )
    return `${groupName(group)}: ${shares.join(", ")}`
  })
  return `Average retention. ${said.join(". ")}`
}
