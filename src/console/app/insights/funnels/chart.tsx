/** A funnel as a drawing: a column for each step and group, of whom only a part may still come. */
import { fitting, LEGEND_ROW, legendOf } from "../../charts/legend.ts"
import { MOST_SERIES } from "../../charts/time_chart.tsx"
import { useWidth } from "../../charts/width.ts"
import type { FunnelAnswer, FunnelGroup } from "../../lib/api.ts"
import { count } from "../../lib/format.ts"
import type { OpenPeople } from "../behind.tsx"
import { percent } from "../figures.ts"
import type { Cell } from "../query/question.ts"
import { groupName } from "../rates.ts"
import { barsOf, titleOf } from "./shape.ts"

const LEFT = 48
const RIGHT = 8
/** Below the columns: the name of the step, and its people if there is one group. */
const NAME = 24
const FIGURE = 16
const ABOVE = 20
const GRID = [0, 0.25, 0.5, 0.75, 1]
const WIDEST = 96
/** A rate is written where its bar is so wide. */
const LABELLED = 40

type Part = "reached" | "open" | "lost"

const PARTS: { part: Part; title: string }[] = [
  { part: "reached", title: "reached the step" },
  { part: "open", title: "still in progress before it" },
  { part: "lost", title: "dropped or excluded before it" },
]

/** The table beside it has the same numbers, for the keyboard and for ears. */
export function FunnelChart(props: { answer: FunnelAnswer; height?: number; open?: OpenPeople<"funnel"> }) {
  const { answer, height = 300, open } = props
  const [place, width] = useWidth<HTMLDivElement>()
  const groups = answer.groups.slice(0, MOST_SERIES)
  const steps = groups[0]?.steps ?? []
  const named = groups.filter(({ group }) => group !== null)
  const names = [...named.map(({ group }) => groupName(group)), ...PARTS.map(({ title }) => title)]
  const legend = legendOf(names, width)
  const top = legend.height + ABOVE
  const bottom = height - NAME - (groups.length === 1 ? FIGURE : 0)
  const y = (share: number) => bottom - share * (bottom - top)
  const band = Math.max(1, width - LEFT - RIGHT) / Math.max(1, steps.length)
  const own = Math.min(WIDEST, (band * 0.78) / Math.max(1, groups.length))

  return (
    <div className="chart-place" ref={place}>
      <svg
        className="chart funnel-chart"
        width={width}
        height={height}
        role="img"
        aria-label={`Funnel: ${groups.map(spoken).join("; ")}`}
      >
        <Hatches of={groups.length} />
        {legend.places.map(({ x, y }, index) => {
          const part = PARTS[index - named.length]
          return (
            <g key={names[index]} transform={`translate(${x} ${y})`} data-series={part ? 7 : index}>
              <rect
                className="chart-bar"
                data-part={part?.part}
                width="10"
                height="10"
                y="4"
                rx="2"
                style={part?.part === "open" ? hatched(7) : undefined}
              />
              <text x="16" y={LEGEND_ROW / 2} dominantBaseline="central">
                {names[index]}
              </text>
            </g>
          )
        })}
        {GRID.map((share) => (
          <g key={share} className="chart-tick">
            <line x1={LEFT} x2={width - RIGHT} y1={y(share)} y2={y(share)} data-zero={share === 0 ? "" : undefined} />
            <text x={LEFT - 8} y={y(share)} textAnchor="end" dominantBaseline="central">
              {percent(share)}
            </text>
          </g>
        ))}
        {steps.map((step, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place, names may repeat
          <g key={at}>
            <text className="funnel-name" x={LEFT + (at + 0.5) * band} y={bottom + 18} textAnchor="middle">
              <title>{step.name}</title>
              {fitting(`${at + 1} ${step.name}`, band - 8)}
            </text>
            {groups.length === 1 && (
              <text x={LEFT + (at + 0.5) * band} y={bottom + 34} textAnchor="middle">
                {count(step.reached)}
              </text>
            )}
            {groups.map((group, index) => (
              <Column
                key={groupName(group.group)}
                answer={answer}
                of={group}
                series={index}
                at={at}
                x={LEFT + (at + 0.5) * band + (index - groups.length / 2) * own}
                width={own}
                y={y}
                open={open}
              />
            ))}
          </g>
        ))}
      </svg>
      {answer.groups.length > MOST_SERIES && (
        <p className="mute small">
          The first {MOST_SERIES} of {answer.groups.length} groups are drawn; the table has all.
        </p>
      )}
    </div>
  )
}

function Column(props: {
  answer: FunnelAnswer
  of: FunnelGroup
  series: number
  at: number
  x: number
  width: number
  y: (share: number) => number
  open?: OpenPeople<"funnel">
}) {
  const { answer, of, series, at, x, width, y, open } = props
  const bar = barsOf(of)[at]
  const step = of.steps[at]
  if (!bar || !step) return null
  const tops = { reached: bar.reached, open: bar.reached + bar.open, lost: bar.reached + bar.open + bar.lost }
  const foots = { reached: 0, open: tops.reached, lost: tops.open }
  const before = of.steps[at - 1]
  const lost = before?.dropped ? "dropped" : "excluded"
  const cells: Record<Part, Cell<"funnel">> = {
    reached: { kind: "funnel", group: of.group ?? undefined, step: at + 1, status: "reached" },
    open: { kind: "funnel", group: of.group ?? undefined, step: at, status: "in_progress" },
    lost: { kind: "funnel", group: of.group ?? undefined, step: at, status: lost },
  }
  const people: Record<Part, number> = {
    reached: step.reached,
    open: before?.inProgress ?? 0,
    lost: before?.[lost] ?? 0,
  }
  return (
    <g data-series={series}>
      {PARTS.filter(({ part }) => tops[part] > foots[part]).map(({ part }) => (
        // biome-ignore lint/a11y/noStaticElementInteractions: the table opens the same people by the keyboard
        <rect
          key={part}
          className="chart-bar"
          data-part={part}
          data-pick={open && people[part] > 0 ? "" : undefined}
          x={x + 1}
          width={Math.max(1, width - 2)}
          y={y(tops[part])}
          height={y(foots[part]) - y(tops[part])}
          style={part === "open" ? hatched(series) : undefined}
          onClick={() => people[part] > 0 && open?.(cells[part])}
        >
          <title>{`${titleOf(cells[part], answer)}: ${count(people[part])}`}</title>
        </rect>
      ))}
      {width >= LABELLED && (
        <text className="funnel-label" x={x + width / 2} y={y(bar.reached) - 7} textAnchor="middle">
          {percent(step.rate)}
        </text>
      )}
    </g>
  )
}

const hatched = (series: number) => ({ fill: `url(#hatch-${series})` })

/** Lines aslant, in the colour of each group. */
function Hatches({ of }: { of: number }) {
  return (
    <defs>
      {[...Array(of).keys(), 7].map((series) => (
        <pattern
          key={series}
          id={`hatch-${series}`}
          width="6"
          height="6"
          patternUnits="userSpaceOnUse"
          patternTransform="rotate(45)"
        >
          <g data-series={series}>
            <rect className="hatch-ground" width="6" height="6" />
            <rect className="hatch-line" width="2.5" height="6" />
          </g>
        </pattern>
      ))}
    </defs>
  )
}

function spoken({ group, steps }: FunnelGroup): string {
  const figures = steps.map(({ name, reached, rate }) => `${name} ${reached}, ${percent(rate)}`).join("; ")
  return group === null ? figures : `${groupName(group)}: ${figures}`
}
