/** Who came back: a table whose cells say it in numbers, and in colour. */

import { longName, shortName } from "../../charts/scales.ts"
import type { Cohort, RetentionAnswer, RetentionCell, RetentionGroup } from "../../lib/api.ts"
import { plural } from "../../lib/format.ts"
import { Behind, type OpenPeople } from "../behind.tsx"
import { percent } from "../figures.ts"
import type { Cell } from "../query/question.ts"
import { groupName } from "../rates.ts"
import type { Retention } from "./builder.tsx"
import { RetentionCurve } from "./curve.tsx"
import { columnsOf, heat, periodName, stateOf, titleOf } from "./shape.ts"

interface Shown {
  question: Retention
  answer: RetentionAnswer
  group: RetentionGroup
  /** Numbers of people in the place of shares. */
  counts?: boolean
  open?: OpenPeople<"retention">
}

/** The answer as a drawing: on its page and on a dashboard. */
export function RetentionView(props: { question: Retention; answer: RetentionAnswer; height?: number }) {
  const { question, answer, height } = props
  if (answer.groups.every(({ people }) => people === 0))
    return <p className="mute nothing">No person started in this range.</p>
  return (
    <RetentionCurve
      answer={answer}
      bucket={question.bucket ?? "day"}
      onOrAfter={question.mode === "on_or_after"}
      height={height}
    />
  )
}

/** Every number of a group: a row a cohort. */
export function RetentionTable({ question, answer, group, counts = false, open }: Shown) {
  const bucket = question.bucket ?? "day"
  const onOrAfter = question.mode === "on_or_after"
  const zone = answer.zone || "UTC"
  const columns = columnsOf(answer, group, bucket)
  const heads = columns.map((at) => periodName(answer.periods[at] ?? [at, at], bucket, onOrAfter))
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section className="table-frame" aria-label={`Retention of ${groupName(group.group)}`} tabIndex={0}>
      <table className="retention">
        <thead>
          <tr>
            <th scope="col">Started</th>
            <th scope="col" className="end">
              People
            </th>
            {heads.map((head) => (
              <th scope="col" className="end" key={head}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <tr className="average">
            <th scope="row">Average</th>
            <td className="end number">
              <Behind
                n={group.people}
                cell={{ kind: "retention", group: group.group ?? undefined }}
                title="People of all cohorts"
                open={open}
              />
            </td>
            {columns.map((at) => (
              <td className="end number" key={at} title="Over the cohorts whose period is over, weighted by people">
                {percent(group.average[at] ?? null)}
              </td>
            ))}
          </tr>
          {group.cohorts.map((cohort) => (
            <tr key={cohort.bucket.start}>
              <th scope="row" title={longName(cohort.bucket, bucket, zone)}>
                {shortName(cohort.bucket, bucket, zone)}
                {!cohort.bucket.complete && <span className="mute"> so far</span>}
              </th>
              <td className="end">
                <Behind
                  n={cohort.people}
                  cell={cellOf(group, cohort)}
                  title={titleOf(cellOf(group, cohort), answer, bucket)}
                  open={open}
                />
              </td>
              {columns.map((at) => (
                <HeatCell
                  key={at}
                  cell={cohort.cells[at]}
                  of={cellOf(group, cohort, at)}
                  state={
                    cohort.cells[at] &&
                    stateOf(
                      cohort.cells[at],
                      cohort.bucket.start,
                      answer.periods[at]?.[0] ?? at,
                      bucket,
                      answer.asOf ?? "",
                    )
                  }
                  title={titleOf(cellOf(group, cohort, at), answer, bucket, onOrAfter)}
                  counts={counts}
                  people={cohort.people}
                  open={open}
                />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function cellOf(group: RetentionGroup, cohort: Cohort, period?: number): Cell<"retention"> {
  return { kind: "retention", group: group.group ?? undefined, bucket: cohort.bucket.start, period }
}

function HeatCell(props: {
  cell?: RetentionCell
  of: Cell<"retention">
  state?: "complete" | "open" | "future"
  title: string
  counts: boolean
  people: number
  open?: OpenPeople<"retention">
}) {
  const { cell, of, state, title, counts, people, open } = props
  if (!cell || state === "future" || people === 0) return <td className="heat" data-state="future" />
  const unfinished = state === "open" ? ", not over yet" : ""
  return (
    <td className="heat end" data-state={state} style={{ "--heat": `${heat(cell.share)}%` } as React.CSSProperties}>
      <Behind
        n={cell.people}
        cell={of}
        title={`${title}: ${percent(cell.share)} of ${plural(people, "person", "people")}${unfinished}`}
        text={counts ? undefined : percent(cell.share)}
        open={open}
      />
    </td>
  )
}
