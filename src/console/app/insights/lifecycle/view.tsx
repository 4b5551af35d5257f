/** Who is new, who stays, who comes back and who is gone, over time. */
import { longName, shortName } from "../../charts/scales.ts"
import { TimeChart } from "../../charts/time_chart.tsx"
import type { LifecycleAnswer } from "../../lib/api.ts"
import { count } from "../../lib/format.ts"
import { Behind, type OpenPeople } from "../behind.tsx"
import type { Question } from "../query/question.ts"
import { MEANINGS, PARTS, type Part, seriesOf, titleOf } from "./shape.ts"

interface Shown {
  question: Question<"lifecycle">
  answer: LifecycleAnswer
  open?: OpenPeople<"lifecycle">
}

/** The answer as a drawing: on its page and on a dashboard. */
export function LifecycleView({ question, answer, height, open }: Shown & { height?: number }) {
  return (
    <TimeChart
      label="Lifecycle"
      buckets={answer.buckets}
      series={seriesOf(answer)}
      size={question.bucket ?? "week"}
      zone={answer.zone || "UTC"}
      shape="stacked"
      height={height}
      format={(value) => count(Math.abs(value))}
      onPick={
        open &&
        ((part, at) => {
          const start = answer.buckets[at]?.start
          if (start) open({ kind: "lifecycle", bucket: start, number: part as Part })
        })
      }
    />
  )
}

/** Every number of the answer. */
export function LifecycleTable({ question, answer, open }: Shown) {
  const zone = answer.zone || "UTC"
  const bucket = question.bucket ?? "week"
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section className="table-frame wide-table" tabIndex={0} aria-label="Table of the answer">
      <table>
        <thead>
          <tr>
            <th scope="col">From</th>
            {PARTS.map((part) => (
              <th scope="col" className="end" key={part} title={MEANINGS[part]}>
                {`${part.charAt(0).toUpperCase()}${part.slice(1)}`}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {answer.buckets.map((span, at) => (
            <tr key={span.start}>
              <th scope="row" title={longName(span, bucket, zone)}>
                {shortName(span, bucket, zone)}
                {!span.complete && <span className="mute"> not complete</span>}
              </th>
              {PARTS.map((part) => {
                const n = answer.rows[at]?.[part] ?? null
                return (
                  <td className="end" key={part}>
                    {n === null ? (
                      <span className="mute">—</span>
                    ) : (
                      <Behind
                        n={n}
                        cell={{ kind: "lifecycle", bucket: span.start, number: part }}
                        title={titleOf({ kind: "lifecycle", bucket: span.start, number: part }, bucket)}
                        open={open}
                      />
                    )}
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
