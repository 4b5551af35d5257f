/** What a funnel answers: where people go on, where they leave, who may still come, and how long it takes. */
import { MOST_SERIES } from "../../charts/time_chart.tsx"
import type { FunnelAnswer, FunnelGroup, HistogramBin } from "../../lib/api.ts"
import { Panel } from "../../ui/parts.tsx"
import { Behind, type OpenPeople } from "../behind.tsx"
import { duration, percent } from "../figures.ts"
import type { Cell } from "../query/question.ts"
import { groupName, points } from "../rates.ts"
import { Shares } from "../shares.tsx"
import { FunnelChart } from "./chart.tsx"
import { binName, sameGroup, titleOf } from "./shape.ts"

interface Shown {
  answer: FunnelAnswer
  /** The same question of the range before. */
  before?: FunnelAnswer
  open?: OpenPeople<"funnel">
}

type Status = NonNullable<Cell<"funnel">["status"]>

/** A number of a group, at a step. */
function Figure({ answer, of, n, step, status, open }: FigureOf) {
  const cell = { kind: "funnel" as const, group: of.group ?? undefined, step, status }
  return <Behind n={n} cell={cell} title={titleOf(cell, answer)} open={open} />
}

interface FigureOf {
  answer: FunnelAnswer
  of: FunnelGroup
  n: number
  /** The whole funnel without it. */
  step?: number
  status: Status
  open?: OpenPeople<"funnel">
}

interface SummaryOf {
  answer: FunnelAnswer
  of: FunnelGroup
  before?: FunnelGroup
  /** Only what the drawing does not say: on a dashboard. */
  brief?: boolean
  open?: OpenPeople<"funnel">
}

/** The whole of a group in one line. */
function Summary(props: SummaryOf) {
  const { answer, of, before, brief, open } = props
  const figure = { answer, of, open }
  return (
    <p className="funnel-summary">
      <b className="funnel-rate">{percent(of.rate)}</b>
      <span>
        <Figure {...figure} n={of.converted} status="converted" /> of{" "}
        <Figure {...figure} n={of.reached} status="reached" /> converted
      </span>
      {!brief && (
        <>
          {of.inProgress > 0 && (
            <span className="mute">
              <Figure {...figure} n={of.inProgress} status="in_progress" /> still in progress
            </span>
          )}
          {of.excluded > 0 && (
            <span className="mute">
              <Figure {...figure} n={of.excluded} status="excluded" /> excluded
            </span>
          )}
          <span className="mute">
            <Figure {...figure} n={of.dropped} status="dropped" /> dropped
          </span>
          {of.medianMs !== null && <span className="mute">median {duration(of.medianMs)}</span>}
        </>
      )}
      <Change now={of.rate} before={before?.rate} />
    </p>
  )
}

/** A rate against that of the range before. */
function Change({ now, before }: { now: number | null; before: number | null | undefined }) {
  if (before === undefined) return null
  if (before === null || now === null) return <span className="mute">before: {percent(before)}</span>
  return (
    <span className="mute">
      before: {percent(before)} ({points(now - before)})
    </span>
  )
}

/** The answer as a drawing, with its whole in one line: on its page and on a dashboard. */
export function FunnelView(props: {
  answer: FunnelAnswer
  before?: FunnelAnswer
  height?: number
  brief?: boolean
  open?: OpenPeople<"funnel">
}) {
  const { answer, before, height, brief, open } = props
  const [first] = answer.groups
  if (!first) return <p className="mute nothing">No person began this funnel in this range.</p>
  return (
    <>
      {answer.groups.length === 1 && (
        <Summary answer={answer} of={first} before={sameGroup(first, before?.groups)} brief={brief} open={open} />
      )}
      <FunnelChart answer={answer} height={height} open={open} />
    </>
  )
}

/** Every number of the answer: a row a step. */
export function StepTable({ answer, before, open }: Shown) {
  const excluded = answer.groups.some((group) => group.excluded > 0)
  const grouped = answer.groups.some((group) => group.group !== null)
  const columns = [
    "Reached",
    "Of the first",
    ...(before ? ["Before", "Change"] : []),
    "Of the step before",
    "Median time",
    "Still in progress",
    ...(excluded ? ["Excluded"] : []),
    "Dropped",
  ]
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section className="table-frame wide-table" tabIndex={0} aria-label="Table of the answer">
      <table>
        <thead>
          <tr>
            <th scope="col">Step</th>
            {grouped && <th scope="col">Group</th>}
            {columns.map((title) => (
              <th key={title} scope="col" className="end">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {(answer.groups[0]?.steps ?? []).map((_, at) =>
            answer.groups.map((group, index) => {
              const step = group.steps[at]
              const figure = { answer, of: group, step: at + 1, open }
              const earlier = sameGroup(group, before?.groups)?.steps[at]?.rate ?? null
              return (
                step && (
                  <tr
                    // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place, names may repeat
                    key={`${at + 1} ${groupName(group.group)}`}
                    data-series={grouped && index < MOST_SERIES ? index : undefined}
                  >
                    <th scope="row">
                      {at + 1} {step.name}
                    </th>
                    {grouped && (
                      <td className="group-name">
                        {index < MOST_SERIES && <i className="chart-key" />} {groupName(group.group)}
                      </td>
                    )}
                    <td className="end">
                      <Figure {...figure} n={step.reached} status="reached" />
                    </td>
                    <td className="end">{percent(step.rate)}</td>
                    {before && (
                      <>
                        <td className="end">{percent(earlier)}</td>
                        <td className="end">
                          {earlier === null || step.rate === null ? "—" : points(step.rate - earlier)}
                        </td>
                      </>
                    )}
                    <td className="end">{percent(step.fromPrevious)}</td>
                    <td className="end">{duration(step.medianMs)}</td>
                    <td className="end">
                      <Figure {...figure} n={step.inProgress} status="in_progress" />
                    </td>
                    {excluded && (
                      <td className="end">
                        <Figure {...figure} n={step.excluded} status="excluded" />
                      </td>
                    )}
                    <td className="end">
                      <Figure {...figure} n={step.dropped} status="dropped" />
                    </td>
                  </tr>
                )
              )
            }),
          )}
        </tbody>
      </table>
    </section>
  )
}

function TimeFigure(props: { answer: FunnelAnswer; of: FunnelGroup; bin: HistogramBin; open?: OpenPeople<"funnel"> }) {
  const { answer, of, bin, open } = props
  const group = of.group ?? undefined
  const cell = { kind: "funnel" as const, group, status: "converted" as const, leastMs: bin.leastMs }
  return <Behind n={bin.people} cell={cell} title={titleOf(cell, answer)} open={open} />
}

/** How long those who converted took. */
export function TimeToConvert({ answer, open }: Shown) {
  const groups = answer.groups.filter((group) => group.converted > 0)
  if (groups.length === 0) return null
  return (
    <Panel title="Time to convert">
      {groups.map((group) => (
        <div key={groupName(group.group)} data-series={answer.groups.indexOf(group)}>
          {group.group !== null && <h3>{groupName(group.group)}</h3>}
          <Shares
            rows={(group.times ?? []).map((bin) => ({
              name: binName(bin),
              n: bin.people,
              figure: <TimeFigure answer={answer} of={group} bin={bin} open={open} />,
            }))}
            of={group.converted}
            caption={`Median ${duration(group.medianMs)}`}
          />
        </div>
      ))}
    </Panel>
  )
}
