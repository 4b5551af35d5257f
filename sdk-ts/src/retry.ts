/** When to try again. */
const FIRST_MS = 4000
const LONGEST_MS = 300_000
/** The longest pause that a server may ask for. */
export const MOST_PAUSE_MS = 3_600_000

/**
 * Milliseconds to wait after so many failures in a row: doubling to five minutes, a quarter more or less, so that
 * clients that failed together do not come back together. Not before what the server asked for, in seconds.
 */
export function retryDelay(failures: number, retryAfter = 0, chance: number = Math.random()): number {
  const doubled = FIRST_MS * 2 ** (failures - 1) * (0.75 + chance / 2)
  return Math.max(Math.min(doubled, LONGEST_MS), Math.min(retryAfter * 1000 || 0, MOST_PAUSE_MS))
}
