/** Prices, instants and values as people read them. */

const EURO = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" })
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })
const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" })

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export const money = (cents: number): string => EURO.format(cents / 100)

/** The time of day of an instant, in the visitor's zone. */
export const clock = (instant: string | number): string => CLOCK.format(new Date(instant))

/** An instant with its date and zone, for tooltips. */
export const exact = (instant: string | number): string => EXACT.format(new Date(instant))

/** What is left of a time: `1:42`, `2:05:30`, then in days. */
export function countdown(seconds: number): string {
  const left = Math.max(0, seconds)
  if (left >= 2 * DAY) return `${Math.round(left / DAY)} days`
  const [hours, minutes, rest] = [Math.floor(left / HOUR), Math.floor((left % HOUR) / MINUTE), left % MINUTE]
  const two = (n: number) => String(n).padStart(2, "0")
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}

/** The same for a screen reader, which is told once. */
export function spoken(seconds: number): string {
  const minutes = Math.ceil(seconds / MINUTE)
  return minutes === 1 ? "about a minute" : `about ${minutes} minutes`
}

/** A value of the server, short; an unknown one is a dash and never false. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return "—"
  if (typeof value === "boolean") return value ? "yes" : "no"
  if (typeof value === "number") return String(Math.round(value * 100) / 100)
  if (typeof value === "string") return value === "" ? "“”" : value
  return JSON.stringify(value)
}
