/** Ranges of days, as a person says them. A local date is a day of the environment's zone: the server reads it so. */

interface Ranged {
  from?: string
  to?: string
  last?: string
}

export const LASTS = [
  { value: "24h", title: "Last 24 hours" },
  { value: "1d", title: "Today" },
  { value: "7d", title: "Last 7 days" },
  { value: "14d", title: "Last 14 days" },
  { value: "30d", title: "Last 30 days" },
  { value: "90d", title: "Last 90 days" },
  { value: "12w", title: "Last 12 weeks" },
  { value: "6m", title: "Last 6 months" },
  { value: "12m", title: "Last 12 months" },
] as const

const DAY_MS = 86_400_000
const DATE = /^\d{4}-\d{2}-\d{2}/

/** The day before or after; days of a calendar have no zone. */
export function shifted(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10)
}

/** Today's date in a zone. */
export function today(zone: string, now = Date.now()): string {
  return new Intl.DateTimeFormat("en-CA", { timeZone: zone, dateStyle: "short" }).format(now)
}

/** The first and the last day; the last is in the range, though `to` is not. */
export function daysOf({ from = "", to = "" }: Ranged): { first: string; last: string } {
  const date = (text: string) => DATE.exec(text)?.[0] ?? ""
  const end = date(to)
  return { first: date(from), last: end && shifted(end, -1) }
}

export function rangeOf(first: string, last: string): Ranged {
  return { from: first || undefined, to: last ? shifted(last, 1) : undefined, last: undefined }
}
