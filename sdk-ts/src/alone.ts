/** One tab of a browser does it: Web Locks where the page has them. */
import { attempt, inBrowser, orderedId, type Store } from "./core"

const LEASE_MS = 3000
const BEAT_MS = 900

const locks = () => (inBrowser ? attempt(() => navigator.locks) : undefined)

/** Run it while no other tab runs something under this name. Without Web Locks it runs at once. */
export function exclusively(name: string, run: () => Promise<void>): Promise<void> {
  return (locks()?.request(name, run) as Promise<void> | undefined)?.catch(run) ?? run()
}

/**
 * Call `begin` when this tab is the one that leads, and what it returned when it stops leading. Returns a function
 * that hands the lead on: the next tab has it within a second. Without Web Locks, a lease in storage decides. It is not
 * atomic: two tabs may lead for a moment, which costs a connection and nothing else.
 */
export function lead(name: string, store: Store, begin: () => () => void): () => void {
  let end: (() => void) | undefined
  const manager = locks()
  if (manager) {
    const over = new AbortController()
    const { signal } = over
    const led = () =>
      new Promise<void>((resolve) => {
        end = begin()
        signal.addEventListener("abort", () => {
          end?.()
          resolve()
        })
      })
    manager.request(name, { signal }, led).catch(() => {})
    return () => over.abort()
  }
  const me = orderedId()
  const beat = () => {
    const [owner, until] = (store.get("h") ?? "").split(" ") as [string, string]
    const left = +until - Date.now()
    if (owner && owner !== me && left > 0 && left <= LEASE_MS) {
      end?.()
      end = undefined
    } else {
      store.set("h", `${me} ${Date.now() + LEASE_MS}`)
      end ??= begin()
    }
  }
  beat()
  const timer = setInterval(beat, BEAT_MS)
  return () => {
    clearInterval(timer)
    if (end) store.remove("h")
    end?.()
  }
}
