import { describe, expect, test } from "vitest"
import { rowOf } from "../app/explained/reading.ts"
import { even, joined, type Split, WHOLE, weighted, without } from "../app/flags/split.ts"
import type { ExpressionNode } from "../app/lib/api.ts"
import { instantOf, localTime } from "../app/lib/zone.ts"

const isWhole = (split: Split) => Object.values(split).reduce((sum, weight) => sum + weight, 0) === WHOLE

describe("a split", () => {
  const splits: Split[] = [
    { a: 50_000, b: 50_000 },
    { a: 33_334, b: 33_333, c: 33_333 },
    { a: WHOLE, b: 0, c: 0 },
    { a: 1, b: 99_998, c: 1 },
  ]

  test.each(splits)("sums to the whole whatever weight a variant gets: %o", (split) => {
    for (const name of Object.keys(split)) {
      for (const weight of [-5, 0, 1, 33_333, 49_999.6, 99_999, WHOLE, 2 * WHOLE]) {
        const found = weighted(split, name, weight)
        expect(isWhole(found)).toBe(true)
        expect(Object.keys(found)).toEqual(Object.keys(split))
        expect(Object.values(found).every((one) => Number.isInteger(one) && one >= 0)).toBe(true)
      }
    }
  })

  test("gives the others the rest in their proportion", () => {
    expect(weighted({ a: 20_000, b: 40_000, c: 40_000 }, "a", 60_000)).toEqual({ a: 60_000, b: 20_000, c: 20_000 })
  })

  test("divides among the others alike if they had nothing", () => {
    expect(weighted({ a: WHOLE, b: 0, c: 0 }, "a", 0)).toEqual({ a: 0, b: 50_000, c: 50_000 })
  })

  test("moves no profile by a variant that joins, and is whole without one that goes", () => {
    expect(joined({ a: WHOLE }, "b")).toEqual({ a: WHOLE, b: 0 })
    expect(without({ a: 50_000, b: 25_000, c: 25_000 }, "a")).toEqual({ b: 50_000, c: 50_000 })
    expect(without({ a: 10_000, b: 90_000 }, "b")).toEqual({ a: WHOLE })
  })

  test("is even but for what does not divide", () => {
    expect(even(["a", "b", "c"])).toEqual({ a: 33_334, b: 33_333, c: 33_333 })
  })
})

/** A node of a source, found by its text; the source is `(😀) a >= 2 && b && c`, for instance. */
function node(source: string, kind: string, text: string, more: Partial<ExpressionNode> = {}): ExpressionNode {
  const start = [...source.slice(0, source.indexOf(text))].length
  return { kind, text, start, end: start + [...text].length, type: "bool", value: true, until: null, ...more }
}

describe("a tree", () => {
  const source = 'name == "😀" && seen && count >= 2'
  const literal = node(source, "literal", "2", { type: "number", value: 2 })
  const count = node(source, "aggregate", "count", { type: "number", value: 1 })
  const compare = node(source, "compare", "count >= 2", { value: false, decides: true, parts: [count, literal] })
  const seen = node(source, "reference", "seen", { value: null, decides: false })
  const name = node(source, "compare", 'name == "😀"', { decides: false })
  const inner = node(source, "logic", 'name == "😀" && seen', { value: null, decides: false, parts: [name, seen] })
  const whole = node(source, "logic", source, { value: false, parts: [inner, compare] })

  test("joins a chain of the same word to one list, positions counting characters", () => {
    const row = rowOf(whole)
    expect(row.joins).toBe("all")
    expect(row.parts.map((part) => part.source)).toEqual(['name == "😀"', "seen", "count >= 2"])
  })

  test("says unknown where it is not known, and what decides", () => {
    const [first, second, third] = rowOf(whole).parts
    expect([first?.truth, second?.truth, third?.truth]).toEqual(["yes", "unknown", "no"])
    expect([first?.idle, second?.idle, third?.decides]).toEqual([true, true, true])
  })

  test("has the compared value beside the question, and no row for a literal", () => {
    const row = rowOf(compare)
    expect(row.is).toBe(1)
    expect(row.parts).toEqual([])
  })

  test("keeps another word apart", () => {
    const text = "a || b && c"
    const [a, b, c] = ["a", "b", "c"].map((one) => node(text, "property", one))
    const both = node(text, "logic", "b && c", { parts: [b as ExpressionNode, c as ExpressionNode] })
    const row = rowOf(node(text, "logic", text, { parts: [a as ExpressionNode, both] }))
    expect(row.joins).toBe("any")
    expect(row.parts.map((part) => part.joins)).toEqual([null, "all"])
  })
})

describe("a time of a zone", () => {
  test.each([
    ["2026-12-01T09:00", "Europe/Berlin", "2026-12-01T08:00:00.000Z"],
    ["2026-07-01T09:00", "Europe/Berlin", "2026-07-01T07:00:00.000Z"],
    ["2026-07-01T23:30", "America/Los_Angeles", "2026-07-02T06:30:00.000Z"],
    ["2026-07-01T00:00", "Pacific/Kiritimati", "2026-06-30T10:00:00.000Z"],
  ])("%s in %s is %s, and back", (local, zone, instant) => {
    expect(instantOf(local, zone)).toBe(instant)
    expect(localTime(instant, zone)).toBe(local)
  })

  test("comes twice in autumn, and the first is meant", () => {
    expect(instantOf("2026-10-25T02:30", "Europe/Berlin")).toBe("2026-10-25T00:30:00.000Z")
  })

  test("is left out in spring, and moved on", () => {
    expect(localTime(instantOf("2026-03-29T02:30", "Europe/Berlin"), "Europe/Berlin")).toBe("2026-03-29T03:30")
  })
})
