import { useState } from "react"
import { useWidth } from "../../charts/width.ts"
import { Choice } from "../../ui/fields.tsx"
import { figure } from "../figures.ts"
import { PeopleNumber } from "../people/behind.tsx"
import { type TileProps, tileOf } from "../tile.tsx"
import { TrendChart } from "./chart.tsx"
import { cellOf, change, nameOfLine, titleOf } from "./lines.ts"
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

function Trend({ question, answer, title, height, open }: TileProps<"trend">) {
  const [form, setForm] = useState<"chart" | "table">("chart")
  const trend = { question, answer, show: open }
  const [first, ...others] = answer.lines
  const cell = first && cellOf(first)
  const [place, width] = useWidth<HTMLDivElement>()
  const below = others.length > 0 && width < NARROW ? LEGEND_PIXELS : 0
  const ratio = first?.before ? change(first.total, first.before.total) : "—"
  return (
    <div ref={place}>
      <div className="tile-row">
        {first && others.length === 0 ? (
          <p className="tile-total">
            <b>
              {open && cell && first.total ? (
                <PeopleNumber
                  label={`${figure(first.total)}: people of ${nameOfLine(first, question)}, in all`}
                  onOpen={() => open(cell)}
                >
                  {figure(first.total)}
                </PeopleNumber>
              ) : (
                figure(first.total)
              )}
            </b>
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

export default tileOf<"trend">(Trend, (cell, answer, question) => titleOf(cell, answer, question, answer.zone || "UTC"))
