/** Numbers, instants and values, as a person reads them. */

const EXACT_BELOW = 10_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const exact = new Intl.NumberFormat("en")
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 })
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 })

/** Exact below 10,000, then short: 12.3K. */
export function count(n: number): string {
  return Math.abs(n) < EXACT_BELOW ? exact.format(n) : compact.format(n)
}

export function exactCount(n: number): string {
  return exact.format(n)
}

/** How many a second, with one decimal at most; what is more than nothing is not shown as 0. */
export function rate(perSecond: number): string {
  return perSecond > 0 && perSecond < 0.05 ? "< 0.1" : tenths.format(perSecond)
}

/** A value of a trait or property: text as it is, everything else as JSON; what is unknown as a dash. */
export function value(given: unknown): string {
  if (given === null || given === undefined) return "—"
  if (typeof given === "string") return given
  if (typeof given === "number") return new Intl.NumberFormat("en", { maximumFractionDigits: 4 }).format(given)
  return JSON.stringify(given)
}

/** "in 3 days", "2 hours ago", "just now". The unit is the largest that fits. */
export function relative(instant: number, now: number): string {
  const ms = instant - now
  const size = Math.abs(ms)
  if (size < MINUTE) return ms > 0 ? `in ${plural(Math.max(1, Math.ceil(size / 1000)), "second")}` : "just now"
  const [unit, length] =
    size < HOUR ? (["minute", MINUTE] as const) : size < DAY ? (["hour", HOUR] as const) : (["day", DAY] as const)
  const many = plural(Math.floor(size / length), unit)
  return ms > 0 ? `in ${many}` : `${many} ago`
}

/** An instant with its zone, for a tooltip. */
export function whole(iso: string, zone: string): string {
  const parts = { dateStyle: "medium", timeStyle: "long", timeZone: zone } as const
  return new Intl.DateTimeFormat("en-GB", parts).format(new Date(iso))
}

/** The time of day in the zone: 14:03:22. */
export function clock(iso: string, zone: string): string {
  return new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: zone }).format(new Date(iso))
}

/** The time of day in the zone; of another day than now, the day instead of the seconds: 28 Nov 14:03. */
export function moment(iso: string, zone: string, now: number): string {
  const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: zone })
  const day = days.format(new Date(iso))
  return day === days.format(now) ? clock(iso, zone) : `${day} ${clock(iso, zone).slice(0, -3)}`
}

/** The day in the zone: Sunday, 29 November 2026. */
export function day(iso: string, zone: string): string {
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeZone: zone }).format(new Date(iso))
}

export function plural(n: number, word: string, many = `${word}s`): string {
  return `${exact.format(n)} ${n === 1 ? word : many}`
}

/** `trait_type` → "trait type"; TARGETING_MATCH → "targeting match". */
export function words(name: string): string {
  return name.replaceAll("_", " ").toLowerCase()
}
