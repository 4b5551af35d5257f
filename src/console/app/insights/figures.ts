/** Numbers of answers, as a person reads them. */
import { count, value } from "../lib/format.ts"

/** A number of an answer: counts short where they are long, others with at most four digits after the point. */
export function figure(given: number | null): string {
  if (given === null) return "—"
  if (Number.isInteger(given)) return count(given)
  return Math.abs(given) < 10_000 ? value(Math.round(given * 100) / 100) : count(given)
}

/** A share from 0 to 1: 12.3 %. */
export function percent(share: number | null): string {
  return share === null ? "—" : `${value(Math.round(share * 1000) / 10)} %`
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A duration in its two largest units: 2 d 4 h. */
export function duration(ms: number | null): string {
  if (ms === null) return "—"
  if (ms < SECOND) return `${ms} ms`
  const [large, small, one, two] =
    ms < MINUTE
      ? [SECOND, 1, "s", ""]
      : ms < HOUR
        ? [MINUTE, SECOND, "min", "s"]
        : ms < DAY
          ? [HOUR, MINUTE, "h", "min"]
          : [DAY, HOUR, "d", "h"]
  const rest = two ? Math.floor((ms % (large as number)) / (small as number)) : 0
  return `${Math.floor(ms / (large as number))} ${one}${rest ? ` ${rest} ${two}` : ""}`
}
