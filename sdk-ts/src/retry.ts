/** When to try again, and when not. */
import type { Core } from "./core"

const FIRST_MS = 4000
const LONGEST_MS = 300_000
/** The longest pause that a server may ask for. */
export const MOST_PAUSE_MS = 3_600_000
/** A request takes at most so long. */
export const TIMEOUT_MS = 30_000

/**
 * Milliseconds to wait after so many failures in a row: doubling to five minutes, a quarter more or less, so that
 * clients that failed together do not come back together. Not before what the server asked for, in seconds.
 */
export function retryDelay(failures: number, retryAfter?: unknown): number {
  const doubled = FIRST_MS * 2 ** (failures - 1) * (0.75 + Math.random() / 2)
  return Math.max(Math.min(doubled, LONGEST_MS), Math.min(+(retryAfter as string) * 1000 || 0, MOST_PAUSE_MS))
}

/** Report an answer that is no success. True if the same request may have one later. */
export function failed(
  core: Core,
  address: string,
  status: number,
  { code, message }: { code?: string; message?: string },
): boolean {
  const final = /^4(?!08|29)/.test(`${status}`)
  const passing = status ? (status < 400 ? "WRONG_ENDPOINT" : "SERVER") : "NETWORK"
  core.report(
    final ? (code ?? `HTTP_${status}`) : passing,
    message ?? `${address}: ${status || "unreachable"}`,
    final ? undefined : address,
  )
  return !final
}
