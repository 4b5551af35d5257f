/** A little later than the instant, since an answer of just before would still have the old value. */
const AFTER_MS = 500
/** Until the next look at what is over by this clock and holds by the server's: one of them is wrong. */
const APART_MS = 5_000
export const LONGEST_MS = 3_600_000

/** How long to wait until the first of these instants has passed, an hour at most; false without one. */
export function untilNext(instants: (string | null)[], now = Date.now()): number | false {
  const waits = instants.flatMap((at) => (at === null ? [] : [waitFor(Date.parse(at) - now)]))
  return waits.length ? Math.min(LONGEST_MS, ...waits) : false
}

function waitFor(left: number): number {
  return left < -AFTER_MS ? APART_MS : Math.max(0, left) + AFTER_MS
}

/** Whether what held until this instant may hold no more: so it is from then on, until the next answer. */
export function isOver(until: string | null, now = Date.now()): boolean {
  return until !== null && Date.parse(until) <= now
}
