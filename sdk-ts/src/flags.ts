/**
 * Flags alone: `@tinycdp/sdk/flags`.
 *
 * @packageDocumentation
 */
import { lead } from "./alone"
import { attempt, type Core, createCore, inBrowser } from "./core"
import { retryDelay } from "./retry"
import type { DecideOptions, Decision, Decisions, FlagOptions, Flags, Properties } from "./types"

export type * from "./types"

/** What one tab tells the others. `pushed` if the server said that something changed. */
interface News {
  who: string
  answers: Decisions
  etag: string
  uri: string
  pushed?: boolean
}

/** What flags need of the rest of the SDK. */
export interface Around {
  core: Core
  /** Send what waits, so that the next answers include it. */
  flush(): Promise<unknown>
  /** Record that a value was used; absent if the server records it when it answers. `sure` if it is up to date. */
  expose?: (decision: Decision, sure: boolean) => void
}

/** Flags, and how the rest of the SDK tells them what it wrote. */
export interface InnerFlags extends Flags {
  wrote(version: number): void
}

const LONGEST_TIMER_MS = 2 ** 31 - 1
const TIMEOUT_MS = 30_000

/** Start answering flags. Exposures are recorded when the answers are fetched. */
export function createFlags(options: FlagOptions & { readKey: string }): Flags {
  return flagsOf(options, { core: createCore(options), flush: async () => {} })
}

export function flagsOf(options: FlagOptions, { core, flush, expose }: Around): InnerFlags {
  const { readKey, streaming = true } = options
  const { store } = core
  const base = options.endpoint.replace(/\/+$/, "")
  const live = inBrowser && !!readKey
  const listeners = new Set<(keys: string[]) => void>()
  const channel = live ? attempt(() => new BroadcastChannel(core.prefix)) : undefined
  /** Values that were used before it was known whether they are up to date. */
  const used = new Map<string, Decision>()
  let context = options.context
  /** What the server answered last, for whom; and what is shown, which may be older. */
  let known: News = { who: "", answers: {}, etag: "", uri: "" }
  let shown: Decisions = options.bootstrap ?? {}
  let fresh = false
  let user = core.userId()
  let wanted = 0
  let covered = 0
  let failures = 0
  let current: Promise<unknown> = Promise.resolve()
  let next: Promise<void> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let leading = false
  let source: EventSource | undefined

  const about = (asked?: DecideOptions): Properties => ({
    ...context,
    ...asked?.context,
    userId: asked?.userId ?? core.userId(),
    anonymousId: asked?.anonymousId ?? (inBrowser || core.options.anonymousId ? core.anonymousId() : undefined),
  })
  const who = () => JSON.stringify(about())

  function request(path: string, query: Record<string, string | number>, asked: Properties, etag = "") {
    // What is 0 or empty is not asked for.
    const given = Object.entries(query).filter(([, value]) => value)
    return (core.options.fetch ?? fetch)(
      `${base}/ofrep/v1/evaluate/flags${path}?${new URLSearchParams(given.map(([name, value]) => [name, `${value}`]))}`,
      {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-api-key": `${readKey}`,
          ...(etag && { "if-none-match": etag }),
        },
        body: JSON.stringify({ context: asked }),
        signal: AbortSignal.timeout?.(TIMEOUT_MS) ?? null,
      },
    )
  }

  const all = (version: number) => ({ minVersion: version, ...(expose && { exposure: "false", assign: "true" }) })
  const byKey = (flags: Decision[]): Decisions => Object.fromEntries(flags.map((flag) => [flag.key, flag]))

  /** Show these answers. What did not change stays the same object, and listeners hear of the rest. */
  function show(answers: Decisions): void {
    const before = shown
    const changed = Object.keys({ ...before, ...answers }).filter(
      (key) => JSON.stringify(before[key]) !== JSON.stringify(answers[key]),
    )
    shown = { ...answers }
    for (const key of Object.keys(answers)) if (!changed.includes(key)) shown[key] = before[key] as Decision
    if (fresh) {
      for (const [key, decision] of used) expose?.(decision, shown[key]?.variant === decision.variant)
      used.clear()
    }
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

  /** Ask the server for everything. `hint` is the ETag that a stream told of. */
  async function load(hint = ""): Promise<void> {
    const asked = about()
    const now = JSON.stringify(asked)
    const version = wanted
    const etag = known.who === now ? known.etag : ""
    let status = 0
    let after: unknown
    let answer: { code?: string; message?: string; flags?: Decision[]; eventStreams?: unknown } = {}
    clearTimeout(timer)
    try {
      const session = { ...asked, sessionId: core.sessionId() }
      const response = await request("", { ...all(version), flagConfigEtag: hint }, session, etag)
      const { headers } = response
      status = response.status
      after = headers.get("retry-after")
      if (status !== 304) answer = Object(await response.json())
      core.log("flags", status, answer)
      const flags = status === 304 ? known.answers : answer.flags && byKey(answer.flags)
      if (flags && who() === now) {
        const [stream] = (answer.eventStreams ?? []) as { url?: string; endpoint?: { requestUri: string } }[]
        const uri =
          status === 304 ? known.uri : (stream?.url ?? (stream?.endpoint ? base + stream.endpoint.requestUri : ""))
        failures = 0
        covered = version
        learn({ who: now, answers: flags, etag: headers.get("etag") ?? "", uri })
        if (hint || status !== 304) channel?.postMessage({ ...known, pushed: !!hint })
        core.recovered()
        const holds = headers.get("x-valid-for")
        if (holds && (leading || !streaming)) again(+holds)
        return
      }
      if (flags) return void refresh()
    } catch (why) {
      core.log("flags", why)
    }
    wanted = 0
    const message = answer.message ?? `${base}/ofrep answered ${status}.`
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      core.report(answer.code ?? `HTTP_${status}`, message)
    } else {
      core.report(status ? (status < 400 ? "WRONG_ENDPOINT" : "SERVER") : "NETWORK", message)
      again(retryDelay(++failures, +(after as string)))
    }
  }

  function again(ms: number): void {
    clearTimeout(timer)
    if (!core.ended.aborted) timer = setTimeout(refresh, Math.min(ms, LONGEST_TIMER_MS))
  }

  /** Load once more, after the load that runs; calls until then share it. */
  function refresh(hint?: unknown): Promise<void> {
    next ??= current.then(() => {
      next = undefined
      return live ? load(typeof hint === "string" ? hint : "") : undefined
    })
    current = next
    return next
  }

  /** Keep the one stream of this browser at the address that the server gave. */
  function listen(): void {
    if (!leading || !known.uri || source?.url === new URL(known.uri, location.href).href) return
    source?.close()
    source = new EventSource(known.uri)
    source.onopen = () => {
      failures = 0
    }
    source.onmessage = ({ data }) => {
      const { type, etag } = JSON.parse(data)
      if (type === "refetchEvaluation") refresh(etag)
    }
    source.onerror = () => {
      // A dropped connection comes back by itself; a refused one needs a new address.
      if (source?.readyState !== 2) return
      source = undefined
      known.etag = ""
      again(retryDelay(++failures))
    }
  }

  function use(decision: Decision): void {
    if (!decision.variant) return
    if (fresh) expose?.(decision, true)
    else used.set(decision.key, decision)
  }

  const missing = (key: string, errorCode: string, errorDetails: string): Decision => ({
    key,
    reason: "ERROR",
    errorCode,
    errorDetails,
  })

  /** Answers that include what this client sent. */
  async function upToDate(version = 0): Promise<void> {
    wanted = Math.max(wanted, version)
    await flush()
    if (!fresh || wanted > covered) await refresh()
  }

  const elsewhere = (asked: DecideOptions) => !live || asked.userId || asked.anonymousId || asked.context

  async function once<T>(
    path: string,
    query: Record<string, string | number>,
    asked: DecideOptions,
    failed: (why: string) => T,
  ): Promise<T> {
    if (!readKey) return failed("There is no readKey.")
    try {
      const response = await request(path, { ...query, minVersion: asked.minVersion ?? wanted }, about(asked))
      const answer = await response.json()
      if (response.ok || answer.errorCode !== "GENERAL") return answer
      core.report(answer.code ?? "SERVER", answer.message)
      return failed(answer.message)
    } catch (why) {
      core.report("NETWORK", `${base} cannot be reached: ${why}`)
      return failed(`${why}`)
    }
  }

  if (live) {
    if (!options.bootstrap) {
      const stored = attempt(() => JSON.parse(store.get("f") ?? "null")) as News | null
      if (stored?.who === who()) {
        known = stored
        shown = Object.fromEntries(
          Object.entries(stored.answers).map(([key, answer]) => [key, { ...answer, reason: "CACHED" }]),
        )
      }
    }
    if (channel) {
      channel.onmessage = ({ data }: MessageEvent<News>) => {
        if (data.who === who()) learn(data)
        else if (data.pushed) refresh()
      }
      core.ended.addEventListener("abort", () => channel.close())
    }
    let stop = () => {}
    const start = () => {
      stop = lead(`${core.prefix}s`, store, () => {
        leading = true
        if (fresh) refresh()
        return () => {
          leading = false
          source?.close()
          source = undefined
        }
      })
    }
    const on = (target: EventTarget, type: string, listener: (event: Event) => void) =>
      target.addEventListener(type, listener, { signal: core.ended })
    if (streaming) {
      start()
      // A page that holds a lock or a connection cannot be kept for going back.
      on(window, "pagehide", () => stop())
      on(window, "pageshow", (event) => {
        if ((event as PageTransitionEvent).persisted) {
          start()
          refresh()
        }
      })
    } else on(document, "visibilitychange", () => document.hidden || refresh())
    on(window, "online", () => refresh())
    core.ended.addEventListener("abort", () => {
      stop()
      clearTimeout(timer)
    })
    core.changed = () => {
      // Answers of one user are never shown to another one.
      if (user && user !== core.userId()) {
        fresh = false
        used.clear()
        show({})
      }
      user = core.userId()
      // The server has to know first that the visitor is this user.
      current = current.then(flush)
      refresh()
    }
  }
  const first = refresh()

  return {
    flag(key, fallback) {
      const decision = shown[key]
      if (!decision) return fallback as never
      use(decision)
      const { value } = decision
      return (value === undefined || (fallback != null && typeof value !== typeof fallback) ? fallback : value) as never
    },
    peek: (key) => shown[key],
    async decide(key, asked = {}) {
      if (elsewhere(asked)) {
        return once(`/${encodeURIComponent(key)}`, {}, asked, (why) => missing(key, "GENERAL", why))
      }
      await upToDate(asked.minVersion)
      const decision = shown[key]
      if (decision) use(decision)
      return (
        decision ??
        (fresh
          ? missing(key, "FLAG_NOT_FOUND", `There is no flag '${key}'.`)
          : missing(key, "GENERAL", "There are no answers yet."))
      )
    },
    async decideAll(asked = {}) {
      if (elsewhere(asked)) {
        const answer = await once("", { exposure: "false", assign: "true" }, asked, () => ({ flags: [] as Decision[] }))
        return byKey(answer.flags)
      }
      await upToDate(asked.minVersion)
      return shown
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    ready: () => first,
    setContext(given) {
      context = given
      return refresh()
    },
    hydrate(decisions) {
      if (inBrowser && !fresh && !Object.keys(shown)[0]) shown = decisions
    },
    async shutdown() {
      core.end()
    },
    wrote(version) {
      wanted = Math.max(wanted, version)
      if (live && !streaming) refresh()
    },
  }
}
