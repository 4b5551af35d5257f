/** A little later than the instant, since an answer of just before would still have the old value. */
const AFTER_MS = 500
export const LONGEST_MS = 3_600_000

/** How long to wait until the first of these instants has passed, an hour at most; false if there is none. */
export function untilNext(instants: (string | null)[], now = Date.now()): number | false {
  const left = instants.flatMap((at) => (at === null ? [] : [Date.parse(at) - now]))
  return left.length ? Math.min(LONGEST_MS, Math.max(0, Math.min(...left)) + AFTER_MS) : false
}

/** Whether what held until this instant may hold no more: so it is from then on, until the next answer. */
export function isOver(until: string | null, now = Date.now()): boolean {
  return until !== null && Date.parse(until) <= now
}
