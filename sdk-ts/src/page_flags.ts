/**
 * Flags in a page: all answers in memory, kept up to date by one stream for all tabs.
 *
 * Laws  One user's answers are never shown to another. Stored answers are marked CACHED until the server confirms them.
 *       One tab holds the stream, and tells the others; without Web Locks there is no stream.
 *       A client with a wrong clock wakes in time: the server says for how long answers hold, not until when.
 * Names In storage: f the last answers
 */
import { lead } from "./alone"
import { ADDRESS, byKey, question } from "./ask"
import { attempt, type Core } from "./core"
import { failed, retryDelay } from "./retry"
import type { DecideOptions, Decision, Decisions, FlagOptions, Flags } from "./types"

/** What the server answered last, and for whom. `pushed` if other tabs should ask for themselves, too. */
interface News {
  who?: string
  answers: Decisions
  etag?: string | null
  stream?: string
  pushed?: string
}

/** Flags, and how the rest of the SDK tells them what it wrote. */
export interface InnerFlags extends Omit<Flags, "shutdown"> {
  wrote(version: number): void
}

/** Records that a variant was used, and the rule that gave it; no rule if the answer may be out of date. */
export type Expose = (flag: string, variant: string, rule: unknown) => void

/** No timer can be longer than 24 days. */
const LONGEST_TIMER_MS = 2e9

export function pageFlags(
  options: FlagOptions,
  core: Core,
  flush: () => Promise<unknown>,
  expose: Expose | undefined,
): InnerFlags {
  const { store, prefix, ending } = core
  const base = options.endpoint.replace(/\/+$/, "")
  const address = base + ADDRESS
  const listeners = new Set<(keys: string[]) => void>()
  const channel = new BroadcastChannel(prefix)
  let context = options.context
  let known: News = { answers: {} }
  let shown = options.bootstrap ?? {}
  let user = core.userId()
  let fresh = false
  let streaming = !!options.readKey && options.streaming !== false
  let leading = new AbortController()
  let leads = false
  let source: EventSource | undefined
  let opened: string | undefined
  let wanted = 0
  let failures = 0
  let refusals = 0
  /** The ETag that a stream announced: the next answers are at least as new. */
  let hint = ""
  let timer: ReturnType<typeof setTimeout> | undefined
  let current: Promise<unknown> = Promise.resolve()
  let next: Promise<void> | undefined

  const about = () => ({ userId: core.userId(), anonymousId: core.anonymousId(), ...context })
  const who = () => JSON.stringify(about())

  /** Show these answers. What did not change stays the same object, and listeners hear of the rest. */
  function show(answers: Decisions): void {
    const before = shown
    const changed = Object.keys({ ...before, ...answers }).filter(
      (key) => JSON.stringify(before[key]) !== JSON.stringify(answers[key]),
    )
    shown = { ...answers }
    for (const key in answers) if (!changed.includes(key)) shown[key] = before[key] as Decision
    if (changed[0]) for (const listener of listeners) attempt(() => listener(changed))
  }

  /** Take over what the server answered, here or in another tab. */
  function learn(news: News): void {
    known = news
    fresh = true
    store.set("f", JSON.stringify(news))
    show(news.answers)
    listen()
  }

  /** Keep the stream of this browser at the address that came with the answers. */
  function listen(): void {
    const { stream } = known
    // One stream lasts as long as it is about the same visitor, though each answer has an address of its own.
    if (!leads || !stream || opened === known.who) return
    source?.close()
    source = new EventSource(stream)
    opened = known.who
    source.onmessage = ({ data }) => {
      refusals = 0
      hint = attempt(() => JSON.parse(data).etag)
      refresh()
    }
    source.onerror = () => {
      // A dropped connection comes back by itself; a refused one needs a new address.
      if (source?.readyState !== 2) return
      opened = known.etag = ""
      again(retryDelay(++refusals))
    }
  }

  /** Ask the server for everything. */
  async function load(): Promise<void> {
    const asked = who()
    const query = `minVersion=${wanted}&flagConfigEtag=${encodeURIComponent(hint)}`
    const pushed = hint
    wanted = 0
    hint = ""
    let status = 0
    let after: unknown
    // biome-ignore lint/suspicious/noExplicitAny: whatever the server answers
    let answer: any = {}
    clearTimeout(timer)
    if (!options.readKey) return
    try {
      const response = await (options.fetch ?? fetch)(
        `${address}?${expose ? "exposure=false&assign=true&" : ""}${query}`,
        question(
          options.readKey,
          { ...about(), sessionId: core.sessionId() },
          known.who === asked ? (known.etag as string) : "",
        ),
      )
      const { headers } = response
      status = response.status
      after = headers.get("retry-after")
      if (status !== 304) answer = Object(await response.json())
      if (status === 304 || answer.flags) {
        if (who() !== asked) return void refresh()
        const uri = answer.eventStreams?.[0]?.endpoint.requestUri
        core.recovered(address)
        failures = 0
        learn(
          status === 304
            ? known
            : { who: asked, answers: byKey(answer.flags), etag: headers.get("etag"), stream: uri && base + uri },
        )
        channel.postMessage({ ...known, pushed })
        if (leads || !streaming) again(+(headers.get("x-valid-for") ?? LONGEST_TIMER_MS))
        return
      }
    } catch {}
    if (failed(core, address, status, answer)) again(retryDelay(++failures, after))
  }

  function again(ms: number): void {
    clearTimeout(timer)
    if (!ending.signal.aborted) timer = setTimeout(refresh, Math.min(ms, LONGEST_TIMER_MS))
  }

  /** Load once more, after the load that runs; calls until then share it. */
  function refresh(): Promise<void> {
    next ??= current.then(() => {
      next = undefined
      return load()
    })
    current = next
    return next
  }

  function use(decision: Decision | undefined): void {
    if (decision?.variant) expose?.(decision.key, decision.variant, fresh ? decision.metadata?.rule : undefined)
  }

  /** Answers that include what this client sent. */
  async function upToDate({ minVersion = 0 }: DecideOptions = {}): Promise<void> {
    wanted = Math.max(wanted, minVersion)
    await flush()
    await (fresh && !wanted ? current : refresh())
  }

  function start(): void {
    leading = new AbortController()
    streaming &&= lead(`${prefix}stream`, leading.signal, () => {
      leads = true
      listen()
      if (fresh) refresh()
      return () => {
        leads = false
        source?.close()
        opened = ""
      }
    })
  }

  const stored = attempt(() => JSON.parse(store.get("f") as string)) as News | undefined
  if (stored?.who === who() && !options.bootstrap) {
    known = stored
    for (const key in stored.answers) shown[key] = { ...(stored.answers[key] as Decision), reason: "CACHED" }
  }
  channel.onmessage = ({ data }: MessageEvent<News>) => {
    if (data.who === who()) learn(data)
    else if (data.pushed) refresh()
  }
  start()
  // A page that holds a lock or a connection could not be kept for going back.
  core.on(window, "pagehide", () => leading.abort())
  core.on(window, "pageshow", () => leading.signal.aborted && start())
  // Timers and streams may have stood still.
  core.on(window, "online", refresh)
  core.on(document, "visibilitychange", () => document.hidden || refresh())
  ending.signal.onabort = () => {
    leading.abort()
    channel.close()
    clearTimeout(timer)
  }
  core.changed = () => {
    if (user && user !== core.userId()) {
      fresh = false
      show({})
    }
    user = core.userId()
    // The server has to know first that the visitor is this user.
    current = current.then(flush)
    refresh()
  }
  const first = refresh()

  return {
    flag(key, fallback) {
      use(shown[key])
      const value = shown[key]?.value ?? fallback
      return (fallback != null && typeof value !== typeof fallback ? fallback : value) as never
    },
    peek: (key) => shown[key],
    async decide(key, asked) {
      await upToDate(asked)
      use(shown[key])
      return shown[key] ?? { key, reason: "ERROR", errorCode: fresh ? "FLAG_NOT_FOUND" : "PROVIDER_NOT_READY" }
    },
    async decideAll(asked) {
      await upToDate(asked)
      return shown
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    ready: () => first,
    setContext(given) {
      context = given
      return refresh()
    },
    hydrate(decisions) {
      if (!fresh) shown = decisions
    },
    wrote(version) {
      wanted = Math.max(wanted, version)
      if (!streaming) refresh()
    },
  }
}
