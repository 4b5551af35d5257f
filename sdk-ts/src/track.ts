/**
 * Events alone: `@tinycdp/sdk/track`.
 *
 * @packageDocumentation
 */
import { contextNow, pageNow } from "./context"
import { type Core, createCore, inBrowser, orderedId } from "./core"
import { createSender, type Sender } from "./sender"
import type { Backend, CallOptions, Properties, Tracker, TrackOptions } from "./types"

export type * from "./types"

/** A tracker, and how other parts of the SDK send messages of their own. */
export interface InnerTracker extends Tracker {
  send(type: string, fields: Properties, options?: CallOptions): void
}

/** Start sending events. */
export function createTracker(options: TrackOptions & Backend): Tracker {
  return trackerOf(options, createCore(options), () => {})
}

/** A tracker on a core that it shares. `delivered` is called with the version of each answer of the first server. */
export function trackerOf(options: TrackOptions, core: Core, delivered: (version: number) => void): InnerTracker {
  const { flushAt = 20, flushIntervalMs = 10_000 } = options
  const { store } = core
  const senders = [options as Backend, ...(options.backends ?? [])]
    .filter((backend) => backend.writeKey)
    .map((backend, n) => createSender(core, backend, flushAt, flushIntervalMs, n ? () => {} : delivered))

  function send(type: string, fields: Properties, call: CallOptions = {}): void {
    const { timestamp = new Date(), messageId = orderedId(), userId, anonymousId, context } = call
    const message = {
      type,
      messageId,
      timestamp,
      userId: userId ?? core.userId(),
      anonymousId: anonymousId ?? (inBrowser || options.anonymousId ? core.anonymousId() : undefined),
      ...fields,
      context: {
        ...contextNow(),
        sessionId: inBrowser ? core.sessionId(true) : undefined,
        groupId: store.get("g"),
        ...context,
      },
    }
    core.log(core.consent() ? "queued" : "no consent", message)
    if (core.consent()) for (const sender of senders) sender.push(message)
  }

  function view(
    type: string,
    found: Properties | undefined,
    name?: string | Properties,
    properties?: Properties,
    call?: CallOptions,
  ): void {
    if (typeof name === "string") send(type, { name, properties: { ...found, ...properties } }, call)
    else send(type, { properties: { ...found, ...name } }, properties as CallOptions)
  }

  /** On a server nothing is remembered: the next call may be about another user. */
  const remember = (name: string, value: string) => inBrowser && store.set(name, value)

  const tracker: InnerTracker = {
    send,
    track: (event, properties, call) => send("track", { event, properties }, call),
    identify(userId, traits, call) {
      if (typeof userId !== "string") return send("identify", { traits: userId }, traits as CallOptions)
      const known = core.userId()
      remember("u", userId)
      send("identify", { userId, traits }, call)
      if (userId !== known) core.changed()
    },
    page: (...given) => view("page", inBrowser ? pageNow() : undefined, ...given),
    screen: (...given) => view("screen", undefined, ...given),
    group(groupId, traits, call) {
      remember("g", groupId)
      send("group", { groupId, traits }, call)
    },
    alias: (userId, previousId, call) =>
      send("alias", { userId, previousId: previousId ?? core.userId() ?? core.anonymousId() }, call),
    flush: async () => void (await Promise.all(senders.map((sender) => sender.drain()))),
    reset: core.forget,
    setConsent(consent) {
      if (!consent) for (const sender of senders) sender.clear()
      core.setConsent(consent)
    },
    anonymousId: core.anonymousId,
    userId: core.userId,
    async shutdown({ timeoutMs = 10_000 } = {}) {
      core.end()
      if (inBrowser) return tracker.flush() // what cannot be sent stays stored
      await Promise.race([finish(senders), new Promise((resolve) => setTimeout(resolve, timeoutMs).unref())])
      const left = Math.max(0, ...senders.map((sender) => sender.waiting().length))
      if (left) core.report("NOT_SENT", "The process ends before all events are sent.", left)
    },
  }

  if (inBrowser) {
    const on = (target: EventTarget, type: string, listen: (sender: Sender) => void) =>
      target.addEventListener(type, () => senders.forEach(listen), { signal: core.ended })
    on(document, "visibilitychange", (sender) => document.hidden && sender.leave())
    on(window, "pagehide", (sender) => sender.leave())
    on(window, "online", (sender) => sender.online())
    for (const plugin of options.plugins ?? []) plugin(tracker, core.ended)
  }
  return tracker
}

/** Until nothing waits. */
async function finish(senders: Sender[]): Promise<void> {
  for (const sender of senders) {
    for (; sender.waiting().length; await sender.drain()) {
      await new Promise((resolve) => setTimeout(resolve, sender.pause()))
    }
  }
}
