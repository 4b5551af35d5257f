import { longName, shortName } from "../../charts/scales.ts"
import type { Line } from "../../lib/api.ts"
import { useZone } from "../../lib/me.ts"
import { figure } from "../figures.ts"
import { PeopleNumber } from "../people/behind.tsx"
import type { Answer, Cell, Question } from "../query/question.ts"
import { cellOf, change, idOf, nameOfLine } from "./lines.ts"

/** Every number of the answer: a row a line, its total first. */
export function TrendTable(props: {
  question: Question<"trend">
  answer: Answer<"trend">
  show?: (cell: Cell<"trend">) => void
}) {
  const { question, answer, show } = props
  const zone = useZone()
  const size = question.bucket ?? "day"
  const compared = answer.lines.some(({ before }) => before)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section className="table-frame wide-table" tabIndex={0} aria-label="Table of the answer">
      <table>
        <thead>
          <tr>
            <th scope="col">Line</th>
            <th scope="col" className="end">
              Whole range
            </th>
            {compared && (
              <>
                <th scope="col" className="end">
                  Before
                </th>
                <th scope="col" className="end">
                  Change
                </th>
              </>
            )}
            {answer.buckets.map((bucket) => (
              <th
                key={bucket.start}
                scope="col"
                className="end"
                title={`${longName(bucket, size, zone)}${bucket.complete ? "" : ", not complete"}`}
              >
                {shortName(bucket, size, zone)}
                {!bucket.complete && <small> so far</small>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {answer.lines.map((line, index) => (
            <tr key={idOf(line)} data-series={index < 8 ? index : undefined}>
              <th scope="row">
                {index < 8 && <i className="chart-key" />} {nameOfLine(line, question)}
              </th>
              <td className="end">
                <Figure line={line} value={line.total} at="the whole range" question={question} show={show} />
              </td>
              {compared && (
                <>
                  <td className="end">{line.before ? figure(line.before.total) : "—"}</td>
                  <td className="end">{change(line.total, line.before?.total ?? null)}</td>
                </>
              )}
              {answer.buckets.map((bucket, at) => (
                <td key={bucket.start} className="end" data-open={bucket.complete ? undefined : ""}>
                  <Figure
                    line={line}
                    value={line.values[at] ?? null}
                    bucket={bucket.start}
                    at={longName(bucket, size, zone)}
                    question={question}
                    show={show}
                  />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Figure(props: {
  line: Line
  value: number | null
  bucket?: string
  at: string
  question: Question<"trend">
  show?: (cell: Cell<"trend">) => void
}) {
  const { line, value, show } = props
  const cell = cellOf(line, props.bucket)
  if (!show || !cell || value === null || value === 0)
    return <span className={value ? "" : "mute"}>{figure(value)}</span>
  return (
    <PeopleNumber
      label={`${figure(value)}: people of ${nameOfLine(line, props.question)}, ${props.at}`}
      onOpen={() => show(cell)}
    >
      {figure(value)}
    </PeopleNumber>
  )
}
