import { useZone } from "../../lib/me.ts"
import { Choice } from "../../ui/fields.tsx"
import { isOfProperty, measureText } from "../builder/measures.ts"
import { figure } from "../figures.ts"
import { PeopleNumber } from "../people/behind.tsx"
import { type Asked, useAsked } from "../query/asked.ts"
import { type Answer, type Cell, type Question, questionOf } from "../query/question.ts"
import { Workbench } from "../workbench.tsx"
import { TrendBuilder } from "./builder.tsx"
import { TrendChart, type TrendShape } from "./chart.tsx"
import { cellOf, change, idOf, nameOfLine, titleOf } from "./lines.ts"
import { TrendTable } from "./table.tsx"

/** What is asked before a person asks anything. */
const FIRST: Question<"trend"> = { kind: "trend", last: "30d", series: [{ event: "*" }] }
const MOST_TOTALS = 4

const SHAPES = [
  { value: "lines", title: "Lines" },
  { value: "bars", title: "Bars" },
] as const

export function TrendsPage() {
  const zone = useZone()
  const asked = useAsked("trend", FIRST)
  const series = asked?.question.series ?? []
  const lacking = series.findIndex(
    ({ event, metric, measure, property }) => !metric && (!event || (isOfProperty(measureText(measure)) && !property)),
  )
  const lacks = series[lacking]

  return (
    <Workbench
      title="Trends"
      asked={asked}
      ready={lacking < 0 && series.length > 0}
      missing={lacks?.event ? "Choose the property that is measured." : "Choose an event."}
      builder={asked && <TrendBuilder question={asked.question} ask={asked.ask} />}
      titleOf={(cell, answer) => titleOf(cell, answer, asked?.question ?? FIRST, zone)}
    >
      {(answer) => asked && <Result asked={asked} answer={answer} />}
    </Workbench>
  )
}

function Result({ asked, answer }: { asked: Asked<"trend">; answer: Answer<"trend"> }) {
  const question = questionOf<"trend">(answer, asked.question)
  const shape: TrendShape = asked.view === "bars" ? "bars" : "lines"
  return (
    <>
      <div className="result-row">
        <Totals question={question} answer={answer} show={asked.show} />
        <Choice label="Shape of the chart" options={SHAPES} value={shape} onChange={asked.look} />
      </div>
      <TrendChart question={question} answer={answer} shape={shape} show={asked.show} />
      {answer.lines.length > 0 && <TrendTable question={question} answer={answer} show={asked.show} />}
    </>
  )
}

function Totals(props: { question: Question<"trend">; answer: Answer<"trend">; show: (cell: Cell<"trend">) => void }) {
  const { question, answer, show } = props
  return (
    <ul className="totals">
      {answer.lines.slice(0, MOST_TOTALS).map((line, index) => {
        const cell = cellOf(line)
        const name = nameOfLine(line, question)
        return (
          <li key={idOf(line)} data-series={index}>
            <span className="mute">
              <i className="chart-key" /> {name}
            </span>
            <b>
              {cell && line.total ? (
                <PeopleNumber label={`${figure(line.total)}: people of ${name}, in all`} onOpen={() => show(cell)}>
                  {figure(line.total)}
                </PeopleNumber>
              ) : (
                figure(line.total)
              )}
            </b>
            {line.before && (
              <small className="mute">
                {change(line.total, line.before.total)} from {figure(line.before.total)}
              </small>
            )}
          </li>
        )
      })}
    </ul>
  )
}
