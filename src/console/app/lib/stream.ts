/**
 * The live stream of messages: one connection for the whole tab.
 *
 * Shape   watchMessages(wanted, watcher) → stop
 * Laws    a tab has one connection; watching anew ends the one before. A tab that was hidden for a minute has none
 *         What was stored while there was no connection is read from the lists of stored events. What these cannot
 *         give is reported, never passed over
 *         Without a free place for a stream, the list is read every five seconds
 *         Transitions that a message caused are not shown: the message says them
 */
import { createParser } from "eventsource-parser"
import type { Event, Journey } from "./api.ts"
import { address, answered, ask, RequestFailed } from "./client.ts"
import { idOf, type Message, ofEvent, ofMessagesAlone, type ShownTransition, statusOf, type Wanted } from "./message.ts"

const HIDDEN_MS = 60_000
const POLL_MS = 5_000
/** A place may have become free. */
const TRY_AGAIN_MS = 60_000
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 30_000
const RECENT = 200
/** Messages that are known as shown, so that the list of recent events does not show them twice. */
const MOST_KNOWN = 5_000

/**
 * `live` by the stream; `polling` by the list of recent events; `asleep` in a hidden tab; `away` until the next try;
 * `full` without a place, if no list has what is wanted; `refused` for good.
 */
export type Connection = "connecting" | "live" | "polling" | "asleep" | "away" | "full" | "refused"

export interface Watcher {
  messages: (found: Message[]) => void
  /** Given, transitions are asked for, too, unless something is wanted that only messages have. */
  transition?: (found: ShownTransition) => void
  connection: (now: Connection) => void
  /** Of that many messages or transitions, those that follow were drawn at random. */
  sample: (of: Sample) => void
  /** Messages between these instants may not be shown; rejected ones and transitions never are. */
  missed: (span: Missed) => void
  /** The server will say the same again. */
  refused?: (problem: RequestFailed) => void
}

export interface Sample {
  of: "message" | "transition"
  matched: number
  shown: number
}

export interface Missed {
  from: string
  to: string
  /** How much of what was stored meanwhile is shown. */
  listed: "all" | "newest" | "none"
}

let current: Watch | undefined

export function watchMessages(wanted: Wanted, watcher: Watcher): () => void {
  current?.stop()
  const watch = new Watch(wanted, watcher)
  current = watch
  watch.start()
  return () => {
    watch.stop()
    if (current === watch) current = undefined
  }
}

class Watch {
  readonly #wanted: Wanted
  readonly #watcher: Watcher
  readonly #known = new Set<string>()
  #running = new AbortController()
  #stopped = false
  #hiding: ReturnType<typeof setTimeout> | undefined
  /** When the connection was lost; undefined while there is one, and before the first. */
  #lostAt: string | undefined

  constructor(wanted: Wanted, watcher: Watcher) {
    this.#wanted = wanted
    this.#watcher = watcher
  }

  start(): void {
    document.addEventListener("visibilitychange", this.#onVisibility)
    void this.#run(this.#running.signal)
  }

  stop(): void {
    this.#stopped = true
    document.removeEventListener("visibilitychange", this.#onVisibility)
    clearTimeout(this.#hiding)
    this.#running.abort()
  }

  #onVisibility = (): void => {
    clearTimeout(this.#hiding)
    if (document.hidden) {
      this.#hiding = setTimeout(() => {
        this.#running.abort()
        this.#watcher.connection("asleep")
      }, HIDDEN_MS)
    } else if (this.#running.signal.aborted) {
      this.#running = new AbortController()
      void this.#run(this.#running.signal)
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    let pause = FIRST_PAUSE_MS
    while (!signal.aborted) {
      this.#watcher.connection("connecting")
      try {
        await this.#listen(signal, () => {
          pause = FIRST_PAUSE_MS
        })
        this.#lost()
      } catch (problem) {
        if (signal.aborted) break
        this.#lost()
        if (problem instanceof RequestFailed) {
          if (problem.code === "TOO_MANY_STREAMS") {
            await this.#poll(signal)
            continue
          }
          // The server will say the same again, and the key's end is shown by the page.
          if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) {
            this.#watcher.connection("refused")
            this.#watcher.refused?.(problem)
            return
          }
        }
        this.#watcher.connection("away")
      }
      await rest(pause, signal)
      pause = Math.min(LONGEST_PAUSE_MS, 2 * pause)
    }
    this.#lost()
  }

  /** Shows what arrives until the stream ends. */
  async #listen(signal: AbortSignal, opened: () => void): Promise<void> {
    const place = new AbortController()
    const either = AbortSignal.any([signal, place.signal])
    try {
      const answer = await answered(this.#address(), { headers: { Accept: "text/event-stream" }, signal: either })
      opened()
      // The stream is open before the list is read, so what arrives in between is in one of the two.
      await this.#recover(signal)
      this.#watcher.connection("live")
      await this.#read(answer)
    } finally {
      // A stream that is not read would keep a place of the server.
      place.abort()
    }
  }

  #lost(): void {
    this.#lostAt ??= new Date().toISOString()
  }

  #address(): string {
    const { event, user, kind, status, segment, profileId } = this.#wanted
    const query = { event, userId: user, kind, status, segment, profileId }
    const include = this.#watcher.transition && !ofMessagesAlone(this.#wanted) ? ["message", "transition"] : undefined
    return address(["events", "live"], { ...query, include })
  }

  async #read(answer: Response): Promise<void> {
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    if (!reader) return
    let found: Message[] = []
    const parser = createParser({
      onEvent: ({ event, data }) => {
        if (event === "sample") {
          this.#show(found)
          found = []
          this.#watcher.sample(JSON.parse(data) as Sample)
        } else if (event === "transition") {
          this.#show(found)
          found = []
          this.#moved(JSON.parse(data) as ShownTransition)
        } else if (event === undefined || event === "message") found.push(JSON.parse(data) as Message)
      },
    })
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      parser.feed(value)
      this.#show(found)
      found = []
    }
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const until = Date.now() + TRY_AGAIN_MS
    if (!this.#hasList) {
      this.#watcher.connection("full")
      await rest(TRY_AGAIN_MS, signal)
      return
    }
    while (!signal.aborted && Date.now() < until) {
      try {
        await this.#recover(signal, true)
        this.#watcher.connection("polling")
      } catch (problem) {
        if (signal.aborted) return
        if (!(problem instanceof RequestFailed)) throw problem
        this.#watcher.connection("away")
      }
      this.#lost()
      await rest(POLL_MS, signal)
    }
  }

  /** Show what is stored and was not shown. Quietly, only what the lists cannot give is reported. */
  async #recover(signal: AbortSignal, quiet = false): Promise<void> {
    const { kind, status } = this.#wanted
    const since = this.#lostAt
    let matching: Event[] = []
    let listed: Missed["listed"] = this.#hasList ? "all" : "none"
    if (status !== "rejected" && this.#hasList) {
      const { page, byArrival } = await this.#stored(signal)
      const fresh = page.events.filter(({ messageId }) => !this.#known.has(messageId))
      matching = fresh.filter((one) => (!kind || one.type === kind) && (!status || statusOf(one) === status))
      const oldest = page.events.at(-1)
      const reachesBack = fresh.length < page.events.length || !since || !oldest || oldest.receivedAt < since
      if (page.next !== null && !(byArrival && reachesBack)) listed = "newest"
    }
    this.#show(matching.reverse().map(ofEvent))
    if (since !== undefined && !(quiet && listed === "all")) {
      this.#watcher.missed({ from: since, to: new Date().toISOString(), listed })
    }
    this.#lostAt = undefined
  }

  /**
   * The newest stored messages, the newest first.
   *
   * They are in the order of their arrival. That list is of a user id; by another identifier, and of a profile, a
   * person's own list is read, in the order in which the messages happened. An identifier that the server does not
   * know has none.
   */
  async #stored(signal: AbortSignal): Promise<{ page: Journey; byArrival: boolean }> {
    const { event, user, profileId } = this.#wanted
    if (profileId === undefined) {
      const recent = address(["events", "recent"], { event, userId: user, limit: RECENT })
      const page = await found(ask<Journey>(recent, { signal }))
      if (page) return { page, byArrival: true }
    }
    const by = profileId === undefined ? undefined : "profileId"
    const own = address(["journeys", profileId ?? user ?? ""], { by, event, limit: RECENT })
    return { page: (await found(ask<Journey>(own, { signal }))) ?? { events: [], next: null }, byArrival: false }
  }

  /** Whether a list of stored events has what is wanted: none is of a segment, or of one identifier of a profile. */
  get #hasList(): boolean {
    const { segment, profileId, user } = this.#wanted
    return segment === undefined && (profileId === undefined || user === undefined)
  }

  #moved(found: ShownTransition): void {
    if (!this.#stopped && found.cause !== "event") this.#watcher.transition?.(found)
  }

  #show(found: Message[]): void {
    if (this.#stopped || !found.length) return
    const fresh = found.filter((message) => {
      const id = idOf(message)
      if (id === undefined) return true
      if (this.#known.has(id)) return false
      this.#known.add(id)
      return true
    })
    for (const id of this.#known) {
      if (this.#known.size <= MOST_KNOWN) break
      this.#known.delete(id)
    }
    if (fresh.length) this.#watcher.messages(fresh)
  }
}

/** The answer; undefined if it is of a person whom the server does not know. */
async function found<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer
  } catch (problem) {
    if (problem instanceof RequestFailed && problem.code === "PROFILE_NOT_FOUND") return undefined
    throw problem
  }
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms)
    signal.addEventListener("abort", () => {
      clearTimeout(timer)
      done()
    })
  })
}
