/**
 * What events and flags share: storage, identity, session, consent, and the one place where problems are told.
 *
 * Laws  Nothing here throws. Without consent nothing is stored.
 */
import { inBrowser } from "./host"
import type { CoreOptions } from "./types"

const YEAR_SECONDS = 31_536_000
const HALF_HOUR_MS = 1_800_000
let made = 0

/** The result, or undefined if it throws: storage, cookies and callbacks of an application may. */
export function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

/** An id that no other has, and that sorts behind those made before it. */
export function orderedId(): string {
  const numbers = [Date.now(), 1e9 + made++, ...crypto.getRandomValues(new Uint32Array(3))]
  return numbers.map((number) => number.toString(36)).join("")
}

/** Text by name: in the browser's storage where it may be, and in memory where it may not. */
export interface Store {
  get(name: string): string | undefined
  set(name: string, text: string): void
  remove(...names: string[]): void
  /** All names with this beginning, sorted. */
  names(beginning: string): string[]
}

export interface Core {
  options: CoreOptions
  /** Begins the names of everything that is stored for this key. */
  prefix: string
  store: Store
  /** Ends listeners and timers when the SDK is shut down. */
  ending: AbortController
  consent: boolean
  setConsent(consent: boolean): void
  anonymousId(): string
  userId(): string | undefined
  /** The session that is running; an event keeps it alive. */
  sessionId(alive?: boolean): string
  /** Forget who it is, and what was stored for them. */
  forget(): void
  /** Tell the application, once for each cause. */
  report(code: string, message: string, cause?: string): void
  /** This cause is over: the next time it is told again. */
  recovered(cause: string): void
  /** Listen until the SDK is shut down. */
  on(target: EventTarget, type: string, listener: () => unknown): void
  log(...what: unknown[]): void
  /** Replaced by what has to know that the user, the visitor or the consent changed. */
  changed(): void
}

/** The last characters of a key tell two of them apart. */
export const tailOf = (key = ""): string => `${key.slice(-8)}.`

/** A store whose names begin with the prefix. `kept` says whether it may use the browser's storage. */
function openStore(prefix: string, kept: () => boolean, refused: () => void): Store {
  const memory: Record<string, string> = {}
  const disk = (): Record<string, string> => (inBrowser && kept() ? localStorage : memory)
  return {
    get: (name) => memory[prefix + name] ?? attempt(() => disk()[prefix + name]),
    set(name, text) {
      delete memory[prefix + name]
      try {
        disk()[prefix + name] = text
      } catch {
        memory[prefix + name] = text
        refused()
      }
    },
    remove(...names) {
      for (const name of names) {
        delete memory[prefix + name]
        attempt(() => inBrowser && delete localStorage[prefix + name])
      }
    },
    names: (beginning) =>
      Object.keys(memory)
        .concat(attempt(() => inBrowser && Object.keys(localStorage)) || [])
        .filter((name) => name.startsWith(prefix + beginning))
        .map((name) => name.slice(prefix.length))
        .sort(),
  }
}

export function createCore(options: CoreOptions): Core {
  const prefix = `tcdp.${tailOf(options.writeKey ?? options.readKey)}`
  const told = new Set<string>()
  const ending = new AbortController()
  let given = options.anonymousId
  const asked = (inBrowser ? navigator : {}) as { doNotTrack?: string; globalPrivacyControl?: boolean }
  const refused = options.respectDoNotTrack && (asked.doNotTrack === "1" || asked.globalPrivacyControl)
  const consent = options.consent !== false && !refused

  const store = openStore(
    prefix,
    () => core.consent,
    () => core.report("STORAGE", "full or refused"),
  )

  const writeCookie = (value: string, seconds: number) =>
    attempt(() => {
      const domain = options.cookieDomain ? `;domain=${options.cookieDomain}` : ""
      // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser
      document.cookie = `${prefix}a=${value};path=/;max-age=${seconds};samesite=lax${domain}`
    })

  function erase(names: string[]): void {
    given = undefined
    store.remove(...names)
    writeCookie("", 0)
  }

  const core: Core = {
    options,
    prefix,
    store,
    ending,
    consent,
    setConsent(granted) {
      core.consent = granted
      if (!granted) erase(store.names(""))
      // What was in memory only is stored from now on.
      else for (const name of store.names("")) store.set(name, store.get(name) as string)
      core.changed()
    },
    anonymousId() {
      let id = given ?? store.get("a")
      if (!id) {
        const cookie =
          inBrowser && core.consent && attempt(() => document.cookie.split(`${prefix}a=`)[1]?.split(";")[0])
        id = cookie ? decodeURIComponent(cookie) : orderedId()
      }
      if (store.get("a") !== id) {
        store.set("a", id)
        if (core.consent) writeCookie(encodeURIComponent(id), YEAR_SECONDS)
      }
      return id
    },
    userId: () => store.get("u"),
    sessionId(alive) {
      const now = Date.now()
      let [id, last] = `${store.get("s")}`.split(" ") as [string, string]
      const over = !(Math.abs(now - +last) < (options.sessionTimeoutMs ?? HALF_HOUR_MS))
      if (over) id = orderedId()
      if (over || alive) store.set("s", `${id} ${now}`)
      return id
    },
    forget() {
      erase(["a", "u", "g", "s", "f", "x"])
      core.changed()
    },
    report(code, message, cause = code) {
      core.log(code, message)
      if (!told.has(cause)) attempt(() => options.onError?.({ code, message }))
      told.add(cause)
    },
    recovered: (cause) => told.delete(cause),
    on: (target, type, listener) => target.addEventListener(type, listener, { signal: ending.signal }),
    log: (...what) => options.debug && console.debug("[tinycdp]", ...what),
    changed() {},
  }

  if (!consent) erase(store.names(""))
  return core
}
