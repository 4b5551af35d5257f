/** A retention's answer, turned into what the page draws. */
import type { RetentionAnswer, RetentionCell, RetentionGroup } from "../../lib/api.ts"
import type { Cell } from "../query/question.ts"
import { groupName } from "../rates.ts"

export type Bucket = "day" | "week" | "month"

/** complete: nothing can change it · open: it may still grow · future: its first instant is to come. */
export type State = "complete" | "open" | "future"

/** The start of the bucket that is `k` after the one that starts at `start`, a local date. */
function later(start: string, bucket: Bucket, k: number): Date {
  const day = new Date(`${start.slice(0, 10)}T00:00:00Z`)
  if (bucket === "month") return new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + k, day.getUTCDate()))
  return new Date(day.getTime() + k * (bucket === "week" ? 7 : 1) * 86_400_000)
}

/** The local date and time of an instant of an answer, as if it were UTC. */
function local(start: string, asOf: string): number {
  const offset = /([+-])(\d\d):?(\d\d)$/.exec(start)
  const minutes = offset ? (Number(offset[2]) * 60 + Number(offset[3])) * (offset[1] === "-" ? -1 : 1) : 0
  return Date.parse(asOf) + minutes * 60_000
}

export function stateOf(cell: RetentionCell, start: string, first: number, bucket: Bucket, asOf: string): State {
  if (cell.complete) return "complete"
  if (cell.people > 0) return "open"
  return later(start, bucket, first).getTime() <= local(start, asOf) ? "open" : "future"
}

const UNITS: Record<Bucket, string> = { day: "Day", week: "Week", month: "Month" }

/** Day 0, Day 1 … or Days 2 to 7. */
export function periodName([first, last]: readonly [number, number], bucket: Bucket, onOrAfter: boolean): string {
  if (first === last) return `${UNITS[bucket]} ${first}${onOrAfter ? "+" : ""}`
  return `${UNITS[bucket]}s ${first} to ${last}`
}

/** Columns that have anything to show for any cohort: those that are to come for all are left out. */
export function columnsOf(answer: RetentionAnswer, group: RetentionGroup, bucket: Bucket): number[] {
  return answer.periods.flatMap(([first], at) => {
    const begun = group.cohorts.some((cohort) => {
      const cell = cohort.cells[at]
      return cell && stateOf(cell, cohort.bucket.start, first, bucket, answer.asOf ?? "") !== "future"
    })
    return begun ? [at] : []
  })
}

/** How much of a cell is coloured, in percent of the series' colour: text on it stays readable. */
export function heat(share: number | null): number {
  return share === null ? 0 : Math.round(4 + share * 41)
}

/** Who is behind a number of a retention. */
export function titleOf(cell: Cell<"retention">, answer: RetentionAnswer, bucket: Bucket, onOrAfter = false): string {
  const from = cell.bucket ? `Started in the ${bucket} from ${cell.bucket.slice(0, 10)}` : "Started"
  const whom = cell.group ? ` (${groupName(cell.group)})` : ""
  const { period } = cell
  if (period === undefined || period === null) return `${from}${whom}`
  const name = periodName(answer.periods[period] ?? [period, period], bucket, onOrAfter)
  return `${from}${whom}, back in ${name.toLowerCase()}`
}
