/** The counts of rejections, as the page shows them. */
import type { HourCount } from "../lib/api.ts"
import { plural } from "../lib/format.ts"
import { localTime } from "../lib/zone.ts"
import { type Bar, filled } from "../ui/bars.tsx"

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Longer periods are shown by day. */
const MOST_HOURLY = 48

export interface OfCode {
  code: string
  messages: number
  repeats: number
  /** Those that sent them, the busiest first. */
  keys: { id: number | null; name: string | null; n: number }[]
  lastHour: string
}

/** All that was refused, as the bars and the lines of the codes have it: "12 messages, 3 repeats". */
export function inAll(counts: HourCount[]): string {
  const sum = (of: "messages" | "repeats") => counts.reduce((all, one) => all + one[of], 0)
  const repeats = sum("repeats")
  return plural(sum("messages"), "message") + (repeats > 0 ? `, ${plural(repeats, "repeat")}` : "")
}

export function byCode(counts: HourCount[]): OfCode[] {
  const found = new Map<string, OfCode>()
  for (const { code, hour, keyId, key, messages, repeats } of counts) {
    const one = found.get(code) ?? { code, messages: 0, repeats: 0, keys: [], lastHour: hour }
    found.set(code, one)
    one.messages += messages
    one.repeats += repeats
    if (hour > one.lastHour) one.lastHour = hour
    const sender = one.keys.find(({ id }) => id === keyId)
    if (sender) sender.n += messages + repeats
    else one.keys.push({ id: keyId, name: key, n: messages + repeats })
  }
  for (const one of found.values()) one.keys.sort((a, b) => b.n - a.n)
  return [...found.values()].sort((a, b) => b.messages + b.repeats - a.messages - a.repeats)
}

/**
 * One bar for each hour, or for each day of the zone, repeats included.
 *
 * Law: all of the period is in one of them. So the first day, in which the hours begin, is there in part.
 */
export function overTime(counts: HourCount[], hours: number, now: number, zone: string): Bar[] {
  const sums = new Map<string, number>()
  const hourly = hours <= MOST_HOURLY
  for (const { hour, messages, repeats } of counts) {
    const at = hourly ? hour : dayOf(hour, zone)
    sums.set(at, (sums.get(at) ?? 0) + messages + repeats)
  }
  const found = [...sums].map(([at, n]) => ({ at, n }))
  if (hourly) {
    const last = Math.floor(now / HOUR_MS) * HOUR_MS
    return filled(found, last - (hours - 1) * HOUR_MS, last, HOUR_MS)
  }
  const dayAt = (instant: number) => Date.parse(dayOf(new Date(instant).toISOString(), zone))
  const days = filled(found, dayAt(now - (hours - 1) * HOUR_MS), dayAt(now), DAY_MS)
  return days.map(({ at, n }) => ({ at: at.slice(0, 10), n }))
}

function dayOf(iso: string, zone: string): string {
  return localTime(iso, zone).slice(0, 10)
}
