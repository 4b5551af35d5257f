/**
 * What an application calls to send events.
 *
 * Laws  On a server nothing is remembered between calls: the next one may be about another user.
 */
import { contextNow, pageNow } from "./context"
import { type Core, orderedId } from "./core"
import { inBrowser } from "./host"
import { createSender, type Sender } from "./sender"
import type { Backend, CallOptions, Properties, Tracker, TrackOptions } from "./types"

/** A tracker, and how other parts of the SDK send messages of their own. */
export interface InnerTracker extends Tracker {
  send(type: string, fields: Properties, options?: CallOptions): void
}

/** A tracker on a core that it shares. `delivered` is called with the version of each answer of the first server. */
export function trackerOf(options: TrackOptions, core: Core, delivered: (version: number) => void): InnerTracker {
  const { flushAt = 20, flushIntervalMs = 10_000, backends = [], plugins = [] } = options
  const { store } = core
  const senders = [options as Backend, ...backends]
    .filter((backend) => backend.writeKey)
    .map((backend, n) => createSender(core, backend, flushAt, flushIntervalMs, n ? () => {} : delivered))

  function send(type: string, fields: Properties, call: CallOptions = {}): void {
    if (!core.consent) return
    const message = {
      type,
      timestamp: new Date(),
      userId: core.userId(),
      anonymousId: inBrowser || options.anonymousId ? core.anonymousId() : undefined,
      ...call,
      messageId: call.messageId ?? orderedId(),
      ...fields,
      context: {
        ...contextNow(),
        ...(inBrowser && { sessionId: core.sessionId(true), groupId: store.get("g") }),
        ...call.context,
      },
    }
    core.log(message)
    for (const sender of senders) sender.push(message)
  }

  const tracker: InnerTracker = {
    send,
    track: (event, properties, call) => send("track", { event, properties }, call),
    identify(userId, traits, call) {
      const known = core.userId()
      if (inBrowser && userId) store.set("u", userId)
      send("identify", { traits }, inBrowser || !userId ? call : { ...call, userId })
      if (core.userId() !== known) core.changed()
    },
    page: (name, properties, call) =>
      send("page", { name, properties: { ...(inBrowser && pageNow()), ...properties } }, call),
    screen: (name, properties, call) => send("screen", { name, properties }, call),
    group(groupId, traits, call) {
      if (inBrowser) store.set("g", groupId)
      send("group", { groupId, traits }, call)
    },
    alias: (userId, previousId = core.anonymousId(), call) => send("alias", { userId, previousId }, call),
    flush: () => Promise.all(senders.map((sender) => sender.drain())) as Promise<unknown> as Promise<void>,
    reset: core.forget,
    setConsent: core.setConsent,
    anonymousId: core.anonymousId,
    userId: core.userId,
    shutdown(given) {
      core.ending.abort()
      // A page keeps what cannot be sent; a server would lose it.
      return inBrowser ? tracker.flush() : finish(core, senders, given)
    },
  }

  if (inBrowser) {
    const each = (act: (sender: Sender) => unknown) => () => senders.map(act)
    core.on(
      document,
      "visibilitychange",
      each((sender) => (document.hidden ? sender.leave() : sender.drain())),
    )
    core.on(
      window,
      "pagehide",
      each((sender) => sender.leave()),
    )
    core.on(
      window,
      "online",
      each((sender) => sender.online()),
    )
    for (const plugin of plugins) plugin(tracker, core.ending.signal)
  }
  return tracker
}

/** Try until nothing waits, or the time is over. */
async function finish(core: Core, senders: Sender[], { timeoutMs = 10_000 } = {}): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, timeoutMs)
  })
  const empty = senders.map(async (sender) => {
    for (; sender.waiting()[0]; await sender.drain()) {
      await new Promise((resolve) => setTimeout(resolve, sender.pause()))
    }
  })
  await Promise.race([late, Promise.all(empty)])
  clearTimeout(timer)
  const left = Math.max(0, ...senders.map((sender) => sender.waiting().length))
  if (left) core.report("NOT_SENT", "the process ends before all events are sent")
}
