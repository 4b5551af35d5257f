/** Days and times of a zone, as fields for a date and a time have them. */

const MINUTE = 60_000

/** `2026-12-01T09:00` in the zone. */
export function localTime(iso: string, zone: string): string {
  return wall(Date.parse(iso), zone)
}

/**
 * The instant at which clocks in the zone show this.
 *
 * Of a time that comes twice the first is meant; a time that is left out in spring is moved on by as much.
 */
export function instantOf(local: string, zone: string): string {
  const wanted = Date.parse(`${local}Z`)
  const offsets = [-24, 24].map((hours) => offset(wanted + hours * 60 * MINUTE, zone))
  const found = offsets.map((ms) => wanted - ms).filter((instant) => wall(instant, zone) === local.slice(0, 16))
  const instant = found.length ? Math.min(...found) : wanted - (offsets[0] ?? 0)
  return new Date(instant).toISOString()
}

function offset(instant: number, zone: string): number {
  return Date.parse(`${wall(instant, zone)}Z`) - Math.floor(instant / MINUTE) * MINUTE
}

function wall(instant: number, zone: string): string {
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  }).formatToParts(new Date(instant))
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? ""
  return `${part("year").padStart(4, "0")}-${part("month")}-${part("day")}T${part("hour")}:${part("minute")}`
}
