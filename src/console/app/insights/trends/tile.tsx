import { useState } from "react"
import { useWidth } from "../../charts/width.ts"
import { Choice } from "../../ui/fields.tsx"
import { figure } from "../figures.ts"
import type { Answer, Question } from "../query/question.ts"
import type { ViewProps } from "../tile.ts"
import { TrendChart } from "./chart.tsx"
import { change } from "./lines.ts"
import { TrendTable } from "./table.tsx"

const FORMS = [
  { value: "chart", title: "Chart" },
  { value: "table", title: "Table" },
] as const
/** What stands above the chart. */
const HEAD_PIXELS = 36
/** What names the lines below a chart that is too narrow to name them at their ends. */
const LEGEND_PIXELS = 28
const NARROW = 560
const LEAST_PIXELS = 88

export default function TrendTile({ question, answer, title, height }: ViewProps) {
  const [form, setForm] = useState<"chart" | "table">("chart")
  const trend = { question: question as Question<"trend">, answer: answer as Answer<"trend"> }
  const [first, ...others] = trend.answer.lines
  const [place, width] = useWidth<HTMLDivElement>()
  const below = others.length > 0 && width < NARROW ? LEGEND_PIXELS : 0
  const ratio = first?.before ? change(first.total, first.before.total) : "—"
  return (
    <div ref={place}>
      <div className="tile-row">
        {first && others.length === 0 ? (
          <p className="tile-total">
            <b>{figure(first.total)}</b>
            {ratio !== "—" && <small className="mute"> {ratio}</small>}
          </p>
        ) : (
          <span />
        )}
        <Choice label={`Form of ${title}`} options={FORMS} value={form} onChange={setForm} />
      </div>
      {form === "table" ? (
        <TrendTable {...trend} />
      ) : (
        <TrendChart {...trend} label={title} height={Math.max(LEAST_PIXELS, height - HEAD_PIXELS - below)} />
      )}
    </div>
  )
}
