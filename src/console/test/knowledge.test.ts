import { describe, expect, it } from "vitest"
import {
  continued,
  detailOf,
  type Entry,
  LONGEST_JOURNAL,
  movesBetween,
  nextChange,
  type Visitor,
} from "../demo/knowledge.ts"

const NOW = Date.parse("2026-11-28T12:00:00.000Z")
const at = (seconds: number) => new Date(NOW + seconds * 1000).toISOString()

function visitor(change: Partial<Visitor> & { seen?: number; hot?: boolean | null; offer?: string } = {}): Visitor {
  const { seen = 0, hot = false, offer = "none", ...others } = change
  return {
    asOf: at(0),
    version: 1,
    revision: 1,
    properties: {},
    events: [],
    traits: [{ key: "products_seen", text: "", value: seen, until: seen ? at(120) : null }],
    segments: [{ key: "demo_hot", text: "", value: hot, until: hot ? at(90) : null }],
    flags: [{ key: "demo_discount", variant: offer, value: 0, isOff: true, reason: "", because: "", until: null }],
    ...others,
  }
}

function event(messageId: string, seconds: number) {
  return { messageId, type: "track", event: "product_viewed", timestamp: at(seconds), properties: { sku: messageId } }
}

function waiting(id: string, seconds: number): Entry {
  return {
    id,
    at: NOW + seconds * 1000,
    cause: "event",
    name: "product_viewed",
    detail: "",
    state: "waiting",
    moves: [],
  }
}

describe("what moved", () => {
  it("is each key with another value", () => {
    expect(movesBetween(visitor(), visitor({ seen: 3, hot: true, offer: "ten" }))).toEqual([
      { kind: "trait", key: "products_seen", from: "0", to: "3" },
      { kind: "segment", key: "demo_hot", from: "out", to: "in" },
      { kind: "flag", key: "demo_discount", from: "none", to: "ten" },
    ])
  })

  it("is not the time of the next change", () => {
    const later = visitor({ seen: 1 })
    for (const trait of later.traits) trait.until = at(500)
    expect(movesBetween(visitor({ seen: 1 }), later)).toEqual([])
  })

  it("tells unknown from out", () => {
    expect(movesBetween(visitor({ hot: null }), visitor())).toEqual([
      { kind: "segment", key: "demo_hot", from: "—", to: "out" },
    ])
  })

  it("is not a definition that is new", () => {
    expect(movesBetween(visitor({ segments: [] }), visitor())).toEqual([])
  })
})

describe("the next change", () => {
  it("is the earliest of all", () => {
    expect(nextChange(visitor({ seen: 1, hot: true }))).toBe(NOW + 90_000)
  })

  it("is never, if nothing changes by itself", () => {
    expect(nextChange(visitor())).toBeUndefined()
  })
})

it("an event shows what was sent, and not what the server added", () => {
  expect(detailOf({ sku: "cup", price: 16.2, _browser: "Firefox", nested: { a: 1 } })).toBe("sku cup · price 16.2")
})

describe("the journal", () => {
  it("lists what the server has when the page opens", () => {
    const known = visitor({ events: [event("b", 2), event("a", 1)], seen: 2 })
    const journal = continued([], undefined, known)
    expect(journal.map(({ id, state, moves }) => [id, state, moves])).toEqual([
      ["b", "stored", []],
      ["a", "stored", []],
    ])
  })

  it("says that an event is stored, and what it moved", () => {
    const after = visitor({ events: [event("a", 1)], seen: 1 })
    const [entry, ...others] = continued([waiting("a", 1)], visitor(), after)
    expect(others).toEqual([])
    expect(entry?.state).toBe("stored")
    expect(entry?.moves.map(({ key }) => key)).toEqual(["products_seen"])
  })

  it("keeps an event waiting that the server does not have", () => {
    const journal = continued([waiting("a", 1)], visitor(), visitor())
    expect(journal.map(({ state }) => state)).toEqual(["waiting"])
  })

  it("puts it down to the newest of several events", () => {
    const after = visitor({ events: [event("b", 2), event("a", 1)], seen: 2 })
    const journal = continued([waiting("b", 2), waiting("a", 1)], visitor(), after)
    expect(journal.map(({ id, moves }) => [id, moves.length])).toEqual([
      ["b", 1],
      ["a", 0],
    ])
  })

  it("puts it down to the clock if no event arrived", () => {
    const events = [event("a", 1)]
    const before = visitor({ events, seen: 3, hot: true, offer: "ten" })
    const journal = continued(continued([], undefined, before), before, visitor({ events, seen: 2, asOf: at(90) }))
    expect(journal[0]?.cause).toBe("clock")
    expect(journal[0]?.moves.map(({ key }) => key)).toEqual(["products_seen", "demo_hot", "demo_discount"])
  })

  it("puts it down to an edit if there is another revision", () => {
    const journal = continued([], visitor(), visitor({ offer: "ten", revision: 2 }))
    expect(journal.map(({ cause, name }) => [cause, name])).toEqual([["definitions", "revision 2"]])
  })

  it("stays short", () => {
    const events = Array.from({ length: 100 }, (_, n) => event(`e${n}`, -n))
    expect(continued([], undefined, visitor({ events }))).toHaveLength(LONGEST_JOURNAL)
  })
})
