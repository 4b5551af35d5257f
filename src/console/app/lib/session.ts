/**
 * The key that this tab uses.
 *
 * It is kept for the tab only, and forgotten on sign-out, when the server refuses it, and after eight idle hours.
 */
import { useSyncExternalStore } from "react"

const PLACE = "tinycdp-key"
const IDLE_MS = 8 * 3600 * 1000
const LOOK_EVERY_MS = 60_000

export interface Session {
  key: string
  /** Why the last key is gone, for the person to read. */
  ended: string
}

type Listener = () => void

const listeners = new Set<Listener>()
let session: Session = { key: sessionStorage.getItem(PLACE) ?? "", ended: "" }
let active = Date.now()

function become(next: Session): void {
  session = next
  if (next.key) sessionStorage.setItem(PLACE, next.key)
  else sessionStorage.removeItem(PLACE)
  for (const listener of listeners) listener()
}

export function currentKey(): string {
  return session.key
}

export function signIn(key: string): void {
  active = Date.now()
  become({ key, ended: "" })
}

/** Forget the key. With a reason, the page stays as it is behind the sign-in. */
export function signOut(ended = ""): void {
  become({ key: "", ended })
}

export function useSession(): Session {
  return useSyncExternalStore(subscribe, () => session)
}

function subscribe(listener: Listener): Listener {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/**
 * Take the key from an address that ends in `#key=…`, and wipe it from the address and the history at once.
 *
 * Such a link is printed by the server when it starts.
 */
export function takeKeyFromAddress(): void {
  const found = /^#key=(.+)$/.exec(location.hash)
  if (!found?.[1]) return
  history.replaceState(history.state, "", location.pathname + location.search)
  signIn(decodeURIComponent(found[1]).trim())
}

/** Forget the key of a tab that was left alone. */
export function watchIdleness(): void {
  for (const sign of ["pointerdown", "keydown"]) addEventListener(sign, () => (active = Date.now()), { passive: true })
  setInterval(() => {
    if (session.key && Date.now() - active > IDLE_MS) signOut("This tab was idle for eight hours.")
  }, LOOK_EVERY_MS)
}
