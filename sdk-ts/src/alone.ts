/** One tab of a browser does it, by Web Locks. */
import { inBrowser } from "./host"

/** Absent on servers, and in pages that came over plain HTTP. */
const locks = (): LockManager | undefined => (inBrowser ? navigator.locks : undefined)

/** Run it while no other tab runs something under this name. Without Web Locks it runs at once. */
export function exclusively(name: string, run: () => Promise<void>): Promise<void> {
  return (locks()?.request(name, run) as Promise<void> | undefined)?.catch(run) ?? run()
}

/**
 * Call `begin` when this tab is the one that leads, and what it returned when the signal ends that: the next tab leads
 * at once, also if this one is closed. False if the page has no Web Locks: then no tab leads.
 */
export function lead(name: string, signal: AbortSignal, begin: () => () => void): boolean {
  const led = () =>
    new Promise<void>((resolve) => {
      const end = begin()
      signal.onabort = () => {
        end()
        resolve()
      }
    })
  return !!locks()
    ?.request(name, { signal }, led)
    .catch(() => {})
}
