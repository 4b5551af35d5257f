import { describe, expect, it } from "vitest"
import type { Event } from "../app/lib/api.ts"
import { type Message, ofEvent, ofMessagesAlone, type ShownTransition } from "../app/lib/message.ts"
import {
  arrived,
  EMPTY,
  goOn,
  hold,
  isTransition,
  type Line,
  MOST_SHOWN,
  MOST_WAITING,
  show,
} from "../app/live/feed.ts"
import { causeOf, detailsOf, movedTitle, titleOf, whoOf } from "../app/live/message.ts"

function message(stored: unknown, received: unknown = stored): Message {
  const status = stored === null ? "rejected" : "accepted"
  const rest = { warnings: [], rejection: null, changed: [], traits: {} }
  return { status, at: "2026-11-29T12:00:00.000Z", keyId: 2, profileId: null, received, stored, ...rest }
}

function numbered(from: number, to: number): Message[] {
  return Array.from({ length: to - from }, (_, index) => message({ event: `e${from + index}` }))
}

const titles = (entries: { line: Line }[]) =>
  entries.map(({ line }) => (isTransition(line) ? movedTitle(line) : titleOf(line)))

function left(cause: string | null): ShownTransition {
  const at = { at: "2026-11-29T12:00:00.000Z", recordedAt: "2026-11-29T12:00:01.000Z" }
  return { segment: "newcomers", profileId: "7", name: "Ada", entered: false, cause, ...at }
}

describe("the live feed", () => {
  it("lists the newest first, and no more than fit", () => {
    const feed = arrived(arrived(EMPTY, numbered(0, 3)), numbered(3, 5))
    expect(titles(feed.shown)).toEqual(["e4", "e3", "e2", "e1", "e0"])
    expect(arrived(feed, numbered(5, 2 * MOST_SHOWN)).shown).toHaveLength(MOST_SHOWN)
  })

  it("moves nothing while it is held, and then shows all in order", () => {
    const before = hold(arrived(EMPTY, numbered(0, 3)))
    const held = arrived(arrived(before, numbered(3, 9)), numbered(9, 15))
    expect(held.shown).toBe(before.shown)
    expect(held.waiting).toHaveLength(12)
    const all = Array.from({ length: 15 }, (_, index) => `e${14 - index}`)
    expect(titles(goOn(held).shown)).toEqual(all)
    expect(titles(show(held).shown)).toEqual(all)
    expect(show(held).held).toBe(true)
    expect(arrived(goOn(held), numbered(15, 16)).waiting).toEqual([])
  })

  it("counts what had no room", () => {
    const held = arrived(hold(EMPTY), numbered(0, MOST_WAITING + 7))
    expect(held.lost).toBe(7)
    expect(goOn(held).shown).toHaveLength(MOST_WAITING)
    expect(goOn(held).lost).toBe(0)
  })

  it("lists transitions among the messages, in the order of their arrival", () => {
    const feed = arrived(arrived(arrived(EMPTY, numbered(0, 1)), [left("clock")]), numbered(1, 2))
    expect(titles(feed.shown)).toEqual(["e1", "Left newcomers", "e0"])
  })

  it("gives each message an id of its own", () => {
    const held = goOn(arrived(hold(arrived(EMPTY, numbered(0, 3))), numbered(3, 6)))
    expect(new Set(held.shown.map(({ id }) => id)).size).toBe(6)
  })
})

describe("a transition", () => {
  it.each([
    ["clock", "by the clock"],
    ["merge", "by a merge"],
    ["comet", "by comet"],
    [null, "for an unknown cause"],
  ])("says its cause, also one that is not known: %s", (cause, said) => {
    expect(causeOf(left(cause))).toBe(said)
  })

  it.each(["event", "user", "kind", "status"])("matches nothing that asks for %s, which only messages have", (name) => {
    expect(ofMessagesAlone({ segment: "newcomers", profileId: "7" })).toBe(false)
    expect(ofMessagesAlone({ segment: "newcomers", [name]: "x" })).toBe(true)
  })
})

describe("a message", () => {
  it.each([
    [message({ type: "track", event: "purchase", userId: "ada" }), "purchase", "ada"],
    [message({ type: "identify", userId: "ada", anonymousId: "b7", traits: { plan: "pro" } }), "identify", "ada"],
    [message({ type: "page", anonymousId: "b7", deviceId: "d1" }), "page", "b7"],
    [message({ type: "track", event: "x", deviceId: "d1", timestamp: "2026", messageId: "m" }), "x", "d1"],
    [message(null, { event: "", userId: "null" }), "(no name)", "null"],
    [message(null, "not even an object"), "(no name)", undefined],
    [message(null, null), "(no name)", undefined],
    [message(null, [1]), "(no name)", undefined],
  ])("is named by its event and its person, whatever it is: %#", (given, title, who) => {
    expect(titleOf(given)).toBe(title)
    expect(whoOf(given)).toBe(who)
  })

  it("shows its properties or traits in a line", () => {
    expect(detailsOf(message({ event: "x", properties: { amount: 2, tags: ["a"] } }))).toBe('amount 2 · tags ["a"]')
    expect(detailsOf(message({ type: "identify", traits: { plan: "pro" } }))).toBe("plan pro")
    expect(detailsOf(message({ event: "x" }))).toBe("")
  })

  it("is made of a stored event in the form that a batch takes", () => {
    const event: Event = {
      id: "7",
      type: "identify",
      event: "$identify",
      messageId: "m7",
      timestamp: "2026-11-29T11:00:00.000Z",
      receivedAt: "2026-11-29T12:00:00.000Z",
      properties: { plan: "pro" },
      context: {},
      target: null,
      future: false,
      by: { kind: "userId", value: "ada" },
      profileId: "1",
      warnings: [],
    }
    const made = ofEvent(event)
    expect(made.stored).toEqual({
      type: "identify",
      messageId: "m7",
      userId: "ada",
      traits: { plan: "pro" },
      timestamp: event.timestamp,
      context: {},
    })
    expect([made.status, made.changed]).toEqual(["accepted", null])
    const warned = ofEvent({ ...event, warnings: [{ code: "X", path: "$", message: "x" }] })
    expect(warned.status).toBe("warned")
  })
})
