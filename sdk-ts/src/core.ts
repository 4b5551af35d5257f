/**
 * What events and flags share: storage, identity, session, consent, and the one place where problems are told.
 *
 * Laws  Nothing here throws. Without consent nothing is stored.
 */
import type { CoreOptions } from "./types"

/** Whether this is a page. On a server nothing is stored or remembered between calls. */
export const inBrowser: boolean = typeof document !== "undefined"

const YEAR_SECONDS = 31_536_000
const HALF_HOUR_MS = 1_800_000
/** Causes that end by themselves. */
const PASSING = ["NETWORK", "SERVER", "WRONG_ENDPOINT"]
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
  const numbers = [Date.now(), 46656 + (made++ % 46656), ...crypto.getRandomValues(new Uint32Array(3))]
  return numbers.map((number) => number.toString(36)).join("")
}

/** Text by name: in the browser's storage where it may be, and in memory where it may not. */
export interface Store {
  get(name: string): string | undefined
  set(name: string, text: string): void
  remove(...names: string[]): void
  /** All names with this beginning, sorted. */
  names(beginning?: string): string[]
}

export interface Core {
  options: CoreOptions
  /** Begins the names of everything that is stored for this key. */
  prefix: string
  store: Store
  /** Ends listeners and timers when the SDK is shut down. */
  ended: AbortSignal
  end(): void
  consent(): boolean
  setConsent(consent: boolean): void
  anonymousId(): string
  userId(): string | undefined
  /** The session that is running; an event keeps it alive. */
  sessionId(alive?: boolean): string
  /** Forget who it is, and what was stored for them. */
  forget(): void
  /** Tell the application, once for each cause. */
  report(code: string, message: string, dropped?: number): void
  /** The server answers: the next time that it does not is told again. */
  recovered(): void
  log(...what: unknown[]): void
  /** Replaced by what has to know that the user, the visitor or the consent changed. */
  changed(): void
}

/** The last characters of a key tell two of them apart. */
export const prefixOf = (key: string): string => `tcdp.${key.slice(-8)}.`

/** A store whose names begin with the prefix. `kept` says whether it may use the browser's storage. */
export function openStore(prefix: string, kept: () => boolean, refused: () => void): Store {
  const memory: Record<string, string> = {}
  const disk = () => (inBrowser && kept() ? localStorage : memory) as Record<string, string>
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
    names: (beginning = "") =>
      Object.keys({ ...attempt(() => inBrowser && localStorage), ...memory })
        .filter((name) => name.startsWith(prefix + beginning))
        .map((name) => name.slice(prefix.length))
        .sort(),
  }
}

export function createCore(options: CoreOptions): Core {
  const prefix = prefixOf(options.writeKey ?? options.readKey ?? "")
  const cookie = `${prefix}a=`
  const told = new Set<string>()
  const ending = new AbortController()
  let given = options.anonymousId
  let consent = options.consent !== false && !(options.respectDoNotTrack && asksNotToBeTracked())

  const store = openStore(
    prefix,
    () => consent,
    () => core.report("STORAGE", "Storage is full or refused: messages wait in memory."),
  )

  const writeCookie = (value: string, seconds: number) =>
    attempt(() => {
      const domain = options.cookieDomain ? `;domain=${options.cookieDomain}` : ""
      // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser
      document.cookie = `${cookie}${value};path=/;max-age=${seconds};samesite=lax${domain}`
    })
  const readCookie = () =>
    attempt(() =>
      document.cookie
        .split("; ")
        .find((one) => one.startsWith(cookie))
        ?.slice(cookie.length),
    )

  function keep(id: string): string {
    store.set("a", id)
    if (consent) writeCookie(encodeURIComponent(id), YEAR_SECONDS)
    return id
  }

  function erase(...names: string[]): void {
    given = undefined
    store.remove(...names)
    writeCookie("", 0)
  }

  const core: Core = {
    options,
    prefix,
    store,
    ended: ending.signal,
    end: () => ending.abort(),
    consent: () => consent,
    setConsent(granted) {
      const [id, user] = [core.anonymousId(), core.userId()]
      consent = granted
      if (!granted) erase(...store.names())
      else {
        // What was in memory only is stored from now on.
        keep(id)
        if (user) store.set("u", user)
      }
      core.changed()
    },
    anonymousId() {
      const stored = store.get("a")
      if (stored && (!given || given === stored)) return stored
      return keep(given || (consent && decodeURIComponent(readCookie() ?? "")) || orderedId())
    },
    userId: () => store.get("u"),
    sessionId(alive) {
      const now = Date.now()
      const [id, last] = (store.get("s") ?? "").split(" ") as [string, string]
      const runs = Math.abs(now - +last) < (options.sessionTimeoutMs ?? HALF_HOUR_MS)
      const session = runs ? id : orderedId()
      if (alive || !runs) store.set("s", `${session} ${now}`)
      return session
    },
    forget() {
      erase("a", "u", "g", "s")
      core.changed()
    },
    report(code, message, dropped = 0) {
      core.log(code, message)
      if (!told.has(code)) attempt(() => options.onError?.({ code, message, dropped }))
      told.add(code)
    },
    recovered: () => PASSING.forEach((code) => void told.delete(code)),
    log: (...what) => options.debug && console.debug("[tinycdp]", ...what),
    changed() {},
  }

  if (!consent) erase(...store.names())
  return core
}

function asksNotToBeTracked(): unknown {
  return attempt(() => {
    const { doNotTrack, globalPrivacyControl } = navigator as { doNotTrack?: unknown; globalPrivacyControl?: unknown }
    return doNotTrack === "1" || globalPrivacyControl
  })
}
