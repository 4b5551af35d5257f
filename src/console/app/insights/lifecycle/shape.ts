/** The lifecycle's answer, as series of a chart: who was there above the line, who was not below it. */
import type { ChartSeries } from "../../charts/time_chart.tsx"
import type { LifecycleAnswer } from "../../lib/api.ts"
import type { Cell } from "../query/question.ts"

export const PARTS = ["returning", "resurrecting", "new", "dormant"] as const
export type Part = (typeof PARTS)[number]

export const MEANINGS: Record<Part, string> = {
  returning: "here, and in the time before",
  resurrecting: "here again after a pause",
  new: "here for the first time ever",
  dormant: "not here, but in the time before",
}

export function seriesOf({ rows }: LifecycleAnswer): ChartSeries[] {
  return PARTS.map((part) => ({
    id: part,
    name: part,
    values: rows.map((row) => (row[part] === null ? null : part === "dormant" ? -row[part] : row[part])),
  }))
}

/** Who is behind a number of a lifecycle. */
export function titleOf({ number, bucket }: Cell<"lifecycle">, size: string): string {
  return `${number.charAt(0).toUpperCase()}${number.slice(1)} in the ${size} from ${bucket.slice(0, 10)}`
}
