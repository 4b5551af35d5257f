/** In how many buckets of the range people were active. */
import { BarChart } from "../../charts/bar_chart.tsx"
import type { StickinessAnswer } from "../../lib/api.ts"
import { count, plural } from "../../lib/format.ts"
import { Behind, type OpenPeople } from "../behind.tsx"
import { percent } from "../figures.ts"
import type { Question } from "../query/question.ts"
import { titleOf } from "./shape.ts"

interface Shown {
  question: Question<"stickiness">
  answer: StickinessAnswer
  open?: OpenPeople<"stickiness">
}

/** The answer as a drawing: on its page and on a dashboard. */
export function StickinessView({ question, answer, height, open }: Shown & { height?: number }) {
  const bucket = question.bucket ?? "day"
  if (answer.people === 0) return <p className="mute nothing">No person was active in this range.</p>
  return (
    <>
      <p className="lead">
        <Behind n={answer.people} cell={{ kind: "stickiness" }} title="Active" open={open} />{" "}
        {answer.people === 1 ? "person was" : "people were"} active.
      </p>
      <BarChart
        label={`People by the number of ${bucket}s in which they were active`}
        bars={answer.rows.map(({ buckets, exactly }) => ({
          name: plural(buckets, bucket),
          value: exactly,
          title: `${titleOf({ kind: "stickiness", buckets }, bucket)}: ${count(exactly)}`,
        }))}
        height={height}
        format={count}
        onPick={
          open &&
          ((bar) => {
            const buckets = answer.rows[bar]?.buckets
            if (buckets !== undefined) open({ kind: "stickiness", buckets, number: "exactly" })
          })
        }
      />
    </>
  )
}

/** Every number of the answer. */
export function StickinessTable({ question, answer, open }: Shown) {
  const bucket = question.bucket ?? "day"
  const of = (n: number) => percent(answer.people ? n / answer.people : null)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section className="table-frame wide-table" tabIndex={0} aria-label="Table of the answer">
      <table>
        <thead>
          <tr>
            <th scope="col">Active in</th>
            {["Exactly", "Share", "At least", "Their share"].map((title) => (
              <th key={title} scope="col" className="end">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {answer.rows.map(({ buckets, exactly, atLeast }) => (
            <tr key={buckets}>
              <th scope="row">{plural(buckets, bucket)}</th>
              {([exactly, atLeast] as const).map((n, at) => {
                const cell = { kind: "stickiness", buckets, number: at === 0 ? "exactly" : "atLeast" } as const
                return [
                  <td key={cell.number} className="end">
                    <Behind n={n} cell={cell} title={titleOf(cell, bucket)} open={open} />
                  </td>,
                  <td key={`share of ${cell.number}`} className="end mute">
                    {of(n)}
                  </td>,
                ]
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
