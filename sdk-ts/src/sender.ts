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
 * Names  In storage, after the tail of the key: m<id>.<bytes> a message · l what is leased, "until last" · r when to retry, "instant failures"
 */
import { exclusively } from "./alone"
import { attempt, type Core, orderedId, tailOf } from "./core"
import { inBrowser } from "./host"
import { failed, MOST_PAUSE_MS, retryDelay, TIMEOUT_MS } from "./retry"
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

export interface Sender {
  push(message: Properties): void
  /** Resolves when nothing is left that can be sent now. */
  drain(): Promise<void>
  /** Send what fits into a request that outlives the page. */
  leave(): void
  /** The connection is back: try at once. */
  online(): void
  /** The ids of what waits, the oldest first. */
  waiting(): string[]
  /** Milliseconds until the next try; 0 if nothing failed. */
  pause(): number
}

const bytesOf = (ids: string[]) => ids.reduce((sum, id) => sum + +(id.split(".")[2] as string), 0)

export function createSender(
  core: Core,
  { endpoint, writeKey }: Backend,
  flushAt: number,
  flushIntervalMs: number,
  delivered: (version: number) => void,
): Sender {
  const { report, store } = core
  const tail = tailOf(writeKey)
  const retry = `${tail}r`
  const address = `${endpoint.replace(/\/+$/, "")}/v1/batch`
  const record = (name: string) => `${store.get(tail + name)}`.split(" ") as [string, string]
  const waiting = () => store.names(`${tail}m`)
  let most = MOST_AT_ONCE
  let room = ROOM
  let pushed = 0
  let gone = false
  let running: Promise<void> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  /** How much is left of a pause or a lease. One that is too long is from before the clock was set back. */
  function left(name: string, longest: number): number {
    const ms = +record(name)[0] - Date.now()
    return +(ms > 0 && ms <= longest && ms)
  }

  const pause = () => left("r", MOST_PAUSE_MS)

  /** Send the oldest messages that are not on their way, and do what the answer asks for. True if more may follow. */
  async function deliver(): Promise<boolean> {
    const lease = left("l", LEASE_MS)
    const last = lease ? record("l")[1] : ""
    const ids = waiting()
      .filter((id) => id > last)
      .slice(0, most)
    while (bytesOf(ids) > room) ids.splice(-Math.ceil(ids.length / 8))
    const end = ids.at(-1)
    if (!end || !core.consent || pause()) {
      arm(pause() || lease)
      return false
    }
    const bytes = bytesOf(ids)
    const texts = ids.map(store.get)
    store.set(`${tail}l`, `${Date.now() + LEASE_MS} ${end}`)
    room -= bytes
    let status = 0
    let after: unknown
    // biome-ignore lint/suspicious/noExplicitAny: whatever the server answers
    let answer: any = {}
    try {
      // A body of text needs no preflight, and may outlive the page.
      const response = await (core.options.fetch ?? fetch)(address, {
        method: "POST",
        body: `${JSON.stringify({ writeKey, sentAt: new Date() }).slice(0, -1)},"batch":[${texts}]}`,
        keepalive: inBrowser,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      status = response.status
      after = response.headers.get("retry-after")
      answer = Object(await response.json())
    } catch {}
    core.log(address, status, answer)
    room += bytes
    // A page that is left sees its requests fail, though they may arrive: that is no reason for the next page to wait.
    if (gone && !status) return false
    if (record("l")[1] === end) store.remove(`${tail}l`)

    if (status === 200 && answer.success) {
      store.remove(retry, ...ids)
      core.recovered(address)
      for (const { code, message } of answer.rejected ?? []) report(code, message)
      delivered((answer.accepted || answer.duplicates) && answer.version)
    } else if (status === 413 && ids[1]) most = ids.length >> 1
    else if (failed(core, address, status, answer)) {
      const failures = (+record("r")[1] || 0) + 1
      store.set(retry, `${Date.now() + retryDelay(failures, after)} ${failures}`)
    } else {
      store.remove(...ids)
      most = MOST_AT_ONCE
    }
    return true
  }

  /** Send in so many milliseconds, unless that is planned already. */
  function arm(ms: number): void {
    if (!ms || core.ending.signal.aborted) return
    timer ??= setTimeout(drain, ms)
    // Messages that were never tried keep a process alive; a server that is away does not.
    if (!inBrowser && pause()) (timer as unknown as { unref(): void }).unref()
  }

  function drain(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    gone = false
    running ??= exclusively(core.prefix + tail, async () => {
      while (await deliver());
      running = undefined
    })
    return running
  }

  if (waiting()[0]) arm(1)

  return {
    drain,
    waiting,
    pause,
    push(message) {
      const text = attempt(() => JSON.stringify(message)) ?? ""
      const bytes = new TextEncoder().encode(text).length + 1
      if (!text || bytes > LONGEST) return report(text ? "EVENT_TOO_LARGE" : "INVALID_EVENT", `${bytes} bytes`)
      store.set(`${tail}m${orderedId()}.${bytes}`, text)
      // To look up what waits takes long where much waits: a server does it for every hundredth message.
      const ids = inBrowser || ++pushed % 100 === 0 ? waiting() : []
      while (ids.length > MOST_MESSAGES || bytesOf(ids) > MOST_BYTES) {
        store.remove(ids.shift() as string)
        report("QUEUE_FULL", "oldest dropped")
      }
      if (pause() || (inBrowser ? ids.length < flushAt : pushed % flushAt)) arm(pause() || flushIntervalMs)
      else drain()
    },
    leave() {
      gone = true
      deliver()
    },
    online() {
      store.remove(retry)
      drain()
    },
  }
}
