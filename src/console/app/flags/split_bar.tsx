import { value } from "../lib/format.ts"
import { entriesOf } from "../lib/json.ts"
import { WHOLE } from "./split.ts"

/** How a rule divides people over variants. */
export function SplitBar({ split }: { split: Record<string, number> }) {
  return (
    <ul className="split" aria-label="Split">
      {entriesOf(split).map(([variant, weight], index) => (
        <li key={variant} style={{ flexGrow: weight }} data-series={index % 6}>
          <code>{variant}</code> {value((100 * weight) / WHOLE)} %
        </li>
      ))}
    </ul>
  )
}
