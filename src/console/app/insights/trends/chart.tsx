import { MOST_SERIES, TimeChart } from "../../charts/time_chart.tsx"
import { useZone } from "../../lib/me.ts"
import { figure } from "../figures.ts"
import type { Answer, Cell, Question } from "../query/question.ts"
import { cellOf, idOf, nameOfLine } from "./lines.ts"

export type TrendShape = "lines" | "bars"

/** The lines of a trend. A number opens its people, if `show` is given. */
export function TrendChart(props: {
  question: Question<"trend">
  answer: Answer<"trend">
  shape?: TrendShape
  height?: number
  label?: string
  show?: (cell: Cell<"trend">) => void
}) {
  const { question, answer, show } = props
  const zone = useZone()
  const series = answer.lines.map((line) => ({
    id: idOf(line),
    name: nameOfLine(line, question),
    values: line.values,
    before: line.before?.values,
  }))
  if (answer.lines.length === 0) return <p className="mute nothing">Nothing happened in this range.</p>
  return (
    <>
      <TimeChart
        label={props.label ?? "Trend"}
        buckets={answer.buckets}
        series={series}
        size={question.bucket ?? "day"}
        zone={zone}
        shape={props.shape}
        height={props.height}
        format={figure}
        onPick={
          show &&
          ((id, at) => {
            const line = answer.lines.find((one) => idOf(one) === id)
            const cell = line?.values[at] && cellOf(line, answer.buckets[at]?.start)
            if (cell) show(cell)
          })
        }
      />
      {answer.lines.length > MOST_SERIES && (
        <p className="mute small">
          The first {MOST_SERIES} of {answer.lines.length} lines are drawn; the table has all.
        </p>
      )}
    </>
  )
}
