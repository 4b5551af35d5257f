/**
 * The queue of one backend, and what sends it.
 *
 * Shape  push(message) stores it at once · drain() sends in order, one request at a time · leave() is for the moment
 *        in which the page goes away
 * Units  Each message is a storage entry of its own: a shared list is what loses and doubles events when tabs race.
 *        At most 1,000 messages and 1 MB; the oldest are dropped, and reported.
 * Laws   A message is deleted when the server has answered that it is stored, or that it never will be.
 *        One sender per browser. What is on its way is leased, so that the next page does not repeat it at once.
 *        Message ids make a repeat harmless. A failure is followed by a pause, which all tabs keep.
 * Names  In storage: m<id>.<bytes> a message · l what is leased, "until last" · r when to retry, "instant failures"
 */
import { exclusively } from "./alone"
import { attempt, type Core, inBrowser, openStore, orderedId, prefixOf } from "./core"
import { MOST_PAUSE_MS, retryDelay } from "./retry"
import type { Backend, Properties } from "./types"

/** Most messages that wait, and most bytes of them. A server has memory, and many users. */
const MOST_MESSAGES = inBrowser ? 1000 : 10_000
const MOST_BYTES = MOST_MESSAGES * 1000
/** Most bytes of messages in one request: browsers allow 64 KB to requests that outlive their page. */
const ROOM = inBrowser ? 60_000 : 1_000_000
/** Most messages in one request. */
const MOST_AT_ONCE = 500
/** Most bytes of one message: the server's limit. */
const LONGEST = 32_768
const LEASE_MS = 10_000
const TIMEOUT_MS = 30_000

export interface Sender {
  push(message: Properties): void
  /** Resolves when nothing is left that can be sent now. */
  drain(): Promise<void>
  /** Send what fits into a request that outlives the page. */
  leave(): void
  /** The connection is back: try at once. */
  online(): void
  /** Delete everything that waits. */
  clear(): void
  /** The ids of what waits, the oldest first. */
  waiting(): string[]
  /** Milliseconds until the next try; 0 if nothing failed. */
  pause(): number
}

const bytesOf = (id: string) => +(id.split(".")[1] as string)

export function createSender(
  core: Core,
  { endpoint, writeKey }: Backend,
  flushAt: number,
  flushIntervalMs: number,
  delivered: (version: number) => void,
): Sender {
  const { report } = core
  const prefix = prefixOf(writeKey)
  const store = prefix === core.prefix ? core.store : openStore(prefix, core.consent, () => {})
  const address = `${endpoint.replace(/\/+$/, "")}/v1/batch`
  const record = (name: string) => (store.get(name) ?? "0 ").split(" ") as [string, string]
  const waiting = () => store.names("m")
  let most = MOST_AT_ONCE
  let room = ROOM
  let running: Promise<void> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let due = Infinity

  /** How much is left of a pause or a lease. One that is too long is from before the clock was set back. */
  function left(name: string, longest: number): number {
    const ms = +record(name)[0] - Date.now()
    return ms > 0 && ms <= longest ? ms : 0
  }

  const pause = () => left("r", MOST_PAUSE_MS)

  /** The oldest messages that are not on their way. They are, from now on. */
  function take(): string[] {
    const lease = left("l", LEASE_MS)
    const last = lease ? record("l")[1] : ""
    let bytes = 0
    const ids = waiting()
      .filter((id) => id > last)
      .slice(0, most)
      // biome-ignore lint/suspicious/noAssignInExpressions: a running sum
      .filter((id) => (bytes += bytesOf(id)) <= room)
    if (ids.length) store.set("l", `${Date.now() + LEASE_MS} ${ids.at(-1)}`)
    else if (lease) arm(lease)
    return ids
  }

  /** Send these messages and do what the answer asks for. False if there is a reason to wait. */
  async function deliver(ids: string[]): Promise<unknown> {
    const texts = ids.map(store.get)
    const bytes = ids.reduce((sum, id) => sum + bytesOf(id), 0)
    let status = 0
    let after: unknown
    // biome-ignore lint/suspicious/noExplicitAny: whatever the server answers
    let answer: any = {}
    room -= bytes
    try {
      // A body of text needs no preflight, and may outlive the page.
      const response = await (core.options.fetch ?? fetch)(address, {
        method: "POST",
        body: `{"writeKey":${JSON.stringify(writeKey)},"sentAt":"${new Date().toISOString()}","batch":[${texts}]}`,
        keepalive: inBrowser,
        signal: AbortSignal.timeout?.(TIMEOUT_MS),
      })
      status = response.status
      after = response.headers.get("retry-after")
      answer = Object(await response.json())
    } catch (why) {
      core.log(address, why)
    }
    core.log(address, status, texts, answer)
    room += bytes
    if (record("l")[1] === ids.at(-1)) store.remove("l")

    const { code, message = `${address} answered ${status}.`, rejected = [], version = 0 } = answer
    if (status === 200 && answer.success) {
      store.remove("r", ...ids)
      core.recovered()
      for (const one of rejected) report(one.code, one.message, 1)
      delivered(version)
      return true
    }
    if (status === 413 && ids.length > 1) {
      most = ids.length >> 1
      return true
    }
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      store.remove(...ids)
      most = MOST_AT_ONCE
      report(code ?? `HTTP_${status}`, message, ids.length)
      return true
    }
    const failures = +record("r")[1] + 1
    const wait = retryDelay(failures, +(after as string))
    store.set("r", `${Date.now() + wait} ${failures}`)
    report(
      status ? (status < 400 ? "WRONG_ENDPOINT" : "SERVER") : "NETWORK",
      status ? message : `${address} is away or blocked.`,
    )
    arm(wait)
    return false
  }

  /** Send in so many milliseconds, unless that happens earlier. */
  function arm(ms: number): void {
    const at = Date.now() + ms
    if (core.ended.aborted || at >= due) return
    clearTimeout(timer)
    due = at
    timer = setTimeout(drain, ms)
    // Messages that were never tried keep a process alive; a server that is away does not.
    if (!inBrowser && pause()) timer.unref()
  }

  function drain(): Promise<void> {
    clearTimeout(timer)
    due = Infinity
    running ??= exclusively(prefix, async () => {
      for (;;) {
        const wait = pause()
        if (wait) return arm(wait)
        const ids = core.consent() ? take() : []
        if (!ids.length || !(await deliver(ids))) return
      }
    }).finally(() => {
      running = undefined
    })
    return running
  }

  if (waiting().length) arm(0)

  return {
    drain,
    waiting,
    pause,
    push(message) {
      const text = attempt(() => JSON.stringify(message)) ?? ""
      const bytes = new TextEncoder().encode(text).length + 1
      if (!text) return report("INVALID_EVENT", "An event is not JSON.", 1)
      if (bytes > LONGEST) return report("EVENT_TOO_LARGE", `An event has ${bytes} bytes, over ${LONGEST}.`, 1)
      store.set(`m${orderedId()}.${bytes}`, text)
      const ids = waiting()
      let total = ids.reduce((sum, id) => sum + bytesOf(id), 0)
      while (ids.length > MOST_MESSAGES || total > MOST_BYTES) {
        const oldest = ids.shift() as string
        total -= bytesOf(oldest)
        store.remove(oldest)
        report("QUEUE_FULL", "Too many events wait: the oldest are dropped.", 1)
      }
      arm(pause() || (ids.length < flushAt ? flushIntervalMs : 0))
    },
    leave() {
      const ids = core.consent() && !pause() ? take() : []
      if (ids.length) deliver(ids)
    },
    online() {
      store.remove("r")
      drain()
    },
    clear: () => store.remove(...waiting(), "l", "r"),
  }
}
