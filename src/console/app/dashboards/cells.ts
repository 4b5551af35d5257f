/** Which number of an answer a cell of its table is, for the kinds that have no view of their own. */
import type { Cell, Kind, OfKind } from "../insights/query/question.ts"
import { plural } from "../lib/format.ts"

type Shown = Cell<"active" | "frequency" | "sessions" | "adoption" | "impact">
/** A row of the table, by column. */
export type Row = Record<string, string>

const ADOPTION = { active: "active", users: "users", first_time: "firstTime", ever: "ever" } as const
const IMPACT = ["users", "others", "unfinished"] as const
const ENDS: Record<string, "entries" | "exits"> = { entry: "entries", exit: "exits" }

const WHO = {
  active: "Active",
  users: "Used it",
  firstTime: "Used it for the first time",
  ever: "Active, and used it once or more ever",
  others: "Did not use it",
  unfinished: "Used it so late that its time is not over",
  people: "With a session",
  bounces: "With a session of one event",
  entries: "With a session that begins with",
  exits: "With a session that ends with",
}

/** Nothing for what has no people behind it. */
export function cellOf(kind: Kind, row: Row, column: string): Shown | undefined {
  const { start: bucket = "", part = "", label = "" } = row
  if (kind === "active" && column === "people") return { kind, days: Number(row.days), bucket }
  if (kind === "frequency" && column === "people") return { kind, least: Number(row.least) }
  if (kind === "adoption" && column in ADOPTION) {
    return { kind, bucket, number: ADOPTION[column as keyof typeof ADOPTION] }
  }
  if (kind === "impact" && column === "people") {
    const number = IMPACT.find((one) => one === part)
    return number && { kind, number }
  }
  if (kind === "sessions") {
    const number = ENDS[part]
    if (number) return column === "sessions" ? { kind, number, label: label || null } : undefined
    if (column === "sessions" || column === "people") return { kind, bucket, number: "people" }
    if (column === "bounces") return { kind, bucket, number: "bounces" }
  }
  return undefined
}

/** Who is behind a number of these kinds. */
export function titleOfCell(of: OfKind): string {
  const cell = of as Shown
  const when = "bucket" in cell && cell.bucket ? `, from ${cell.bucket.slice(0, 10)}` : ""
  if (cell.kind === "active") return `Active in ${plural(cell.days, "day")}${when}`
  if (cell.kind === "frequency") return `In the row from ${plural(cell.least ?? 1, "time")}`
  const number = cell.number ?? (cell.kind === "sessions" ? "people" : "users")
  const label = number === "entries" || number === "exits" ? ` ${("label" in cell && cell.label) || "no label"}` : ""
  return `${WHO[number]}${label}${when}`
}
