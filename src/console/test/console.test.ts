import { QueryClient } from "@tanstack/react-query"
import { describe, expect, it } from "vitest"
import { KINDS, kindOf, matches } from "../app/definitions/kinds.ts"
import type { Me, Segment } from "../app/lib/api.ts"
import { count, relative, value } from "../app/lib/format.ts"
import { tokens } from "../app/lib/tokens.ts"
import { isOver, untilNext } from "../app/lib/until.ts"
import { identifierOf, nameOf } from "../app/people/names.ts"
import { enter } from "../app/shell/environment.ts"

const NOW = Date.parse("2026-11-29T12:00:00Z")
const SEGMENT: Segment = {
  key: "regulars",
  description: "Two orders a month.",
  version: 1,
  status: "live",
  type: "bool",
  usedBy: [],
  rule: "events.purchase.count_30d >= 2",
  canonical: "events.purchase.count_30d >= 2",
  static: false,
  members: 3,
  listed: null,
  asOf: "2026-11-29T12:00:00.000Z",
  updatedAt: "2026-11-29T12:00:00.000Z",
  updatedBy: "command line",
}

describe("numbers and values", () => {
  it("are exact below ten thousand, and short above", () => {
    expect(count(9_999)).toBe("9,999")
    expect(count(12_340)).toBe("12.3K")
    expect(count(4_120_000)).toBe("4.1M")
  })

  it.each([
    [null, "—"],
    ["", ""],
    ["12", "12"],
    [0.1 + 0.2, "0.3"],
    [939, "939"],
    [["a", 1], '["a",1]'],
  ])("%j is shown as %s", (given, shown) => {
    expect(value(given)).toBe(shown)
  })
})

describe("instants", () => {
  it.each([
    [-1, "just now"],
    [-59_000, "just now"],
    [-60_000, "1 minute ago"],
    [-7_199_000, "1 hour ago"],
    [-48 * 3_600_000, "2 days ago"],
    [1, "in 1 second"],
    [59_000, "in 59 seconds"],
    [60_000, "in 1 minute"],
    [8 * 86_400_000, "in 8 days"],
  ])("%i ms from now is %s", (ms, words) => {
    expect(relative(NOW + ms, NOW)).toBe(words)
  })

  it("the next one is waited for, an hour at most, and none is not", () => {
    const at = (ms: number) => new Date(NOW + ms).toISOString()
    expect(untilNext([], NOW)).toBe(false)
    expect(untilNext([null], NOW)).toBe(false)
    expect(untilNext([null, at(90_000), at(5_000)], NOW)).toBeGreaterThanOrEqual(5_000)
    expect(untilNext([null, at(90_000), at(5_000)], NOW)).toBeLessThan(7_000)
    expect(untilNext([at(40 * 86_400_000)], NOW)).toBe(3_600_000)
    expect(untilNext([at(-5_000)], NOW)).toBeGreaterThan(0)
  })

  it("is asked for seldom if this clock is ahead of the server's", () => {
    const at = (ms: number) => new Date(NOW + ms).toISOString()
    expect(untilNext([at(-100)], NOW)).toBe(500)
    expect(untilNext([at(-60_000)], NOW)).toBe(5_000)
    expect(untilNext([at(-60_000), at(1_000)], NOW)).toBe(1_500)
  })

  it("a value is over from the instant on until which it held", () => {
    const at = (ms: number) => new Date(NOW + ms).toISOString()
    expect([at(1), at(0), at(-1), null].map((until) => isOver(until, NOW))).toEqual([false, true, true, false])
  })
})

describe("what a tab knows", () => {
  const me = (environment: string) => ({ environment: { key: environment } }) as Me
  const known = () => {
    const queries = new QueryClient()
    enter(queries, me("prod"))
    queries.setQueryData(["people"], ["ada"])
    return queries
  }

  it("stays when another key of the same environment signs in", () => {
    const queries = known()
    enter(queries, me("prod"))
    expect(queries.getQueryData(["people"])).toEqual(["ada"])
  })

  it("is forgotten when a key of another environment signs in", () => {
    const queries = known()
    enter(queries, me("staging"))
    expect(queries.getQueryData(["people"])).toBeUndefined()
    expect(queries.getQueryData(["me"])).toEqual(me("staging"))
  })
})

describe("the parts of an expression", () => {
  const source =
    'events.purchase.where(city == "K\\"ö") .count_30d >= 2 && plan in ["pro"] // why\nfirst_seen_days_ago < 7d'

  it.each([source, "", '"never closed', "a b  c\n\n", "€ && 1.5h"])("are the whole of %j", (text) => {
    const parts = tokens(text)
    expect(parts.map((part) => part.text).join("")).toBe(text)
    expect(parts.every((part) => part.text !== "")).toBe(true)
  })

  it("are of the kind that they look like", () => {
    const kinds = new Map(tokens(source).map((part) => [part.text, part.kind]))
    expect(kinds.get("events")).toBe("event")
    expect(kinds.get("purchase")).toBe("name")
    expect(kinds.get('"K\\"ö"')).toBe("text")
    expect(kinds.get("7d")).toBe("number")
    expect(kinds.get("in")).toBe("word")
    expect(kinds.get("// why")).toBe("comment")
  })
})

describe("definitions", () => {
  it.each(["regul", "ORDERS", "purchase >=", "count_30d month"])("are found by %s", (text) => {
    expect(matches(SEGMENT, text)).toBe(true)
  })

  it("are not found by what they do not have", () => {
    expect(matches(SEGMENT, "regulars refund")).toBe(false)
  })

  it("of each kind have a page", () => {
    expect(["trait", "segment", "flag"].map(kindOf)).toEqual(KINDS)
    expect(kindOf("report")).toBeUndefined()
  })
})

describe("a person", () => {
  const person = {
    id: "7",
    identifiers: [
      { kind: "anonymousId", value: "anon" },
      { kind: "userId", value: "ada" },
    ],
    properties: {},
  }

  it("is called by the name, else by what says most", () => {
    expect(nameOf({ ...person, properties: { name: "Ada" } })).toBe("Ada")
    expect(nameOf({ ...person, properties: { name: 5 } })).toBe("ada")
    expect(identifierOf(person)).toBe("ada")
    expect(identifierOf({ ...person, identifiers: [] })).toBe("7")
  })
})
