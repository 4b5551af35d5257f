import { describe, expect, it } from "vitest"
import { evaluate } from "../../src/local/evaluate"
import type { Clause, LocalFlag, Snapshot, Tree } from "../../src/local/snapshot"

const NOW = 1_780_315_200_000

const snapshot = (flags: { [key: string]: LocalFlag }, more: Partial<Snapshot> = {}): Snapshot => ({
  format: 1,
  asOf: NOW,
  validUntil: null,
  revision: 1,
  version: 1,
  unit: "u-1",
  flags,
  ...more,
})

const rule = (when: Tree, ...more: Clause[]): LocalFlag => ({
  off: "off",
  variants: { on: true, off: false },
  until: null,
  clauses: [{ when, serve: "on", reason: "TARGETING_MATCH", rule: "r" }, ...more, { serve: "off", reason: "DEFAULT" }],
})

const decided = (when: Tree, context: object = {}, now = NOW) =>
  evaluate(snapshot({ f: rule(when) }), "f", context, now)

describe("what only the server can decide", () => {
  it.each([
    ["a flag that says so", snapshot({ f: { ask: "sticky" } }), "sticky"],
    ["another format", snapshot({ f: rule(true) }, { format: 2 }), "format"],
    ["an unknown node", snapshot({ f: rule(["soundex", "a"]) }), "soundex"],
    ["after the flag's end", snapshot({ f: { ...rule(true), until: NOW } }), "ended"],
    ["after the last value", snapshot({ f: rule(["known", [true, NOW]]) }), "ended"],
    ["a flag that reads one to be asked", snapshot({ f: rule(["flag", "g", {}]), g: { ask: "server" } }), "server"],
  ])("%s", (_, given, ask) => {
    expect(evaluate(given, "f", {}, NOW)).toEqual({ ask })
  })

  it("does not exist", () => {
    const given = snapshot({ f: rule(true) })
    expect(evaluate(given, "nope", {}, NOW)).toEqual({ error: "FLAG_NOT_FOUND" })
    expect(evaluate(given, "constructor", {}, NOW)).toEqual({ error: "FLAG_NOT_FOUND" })
  })
})

describe("the clock", () => {
  it("never goes behind the snapshot, and knows fractions of milliseconds", () => {
    const given = snapshot({ f: rule(["known", [true, NOW + 1], [false, null]]) })
    expect(evaluate(given, "f", {}, 0)).toMatchObject({ value: true, validUntil: NOW + 1 })
    expect(evaluate(given, "f", {}, NOW + 0.9)).toMatchObject({ value: true, validUntil: NOW + 1 })
    expect(evaluate(given, "f", {}, NOW + 1)).toMatchObject({ value: false, validUntil: null })
  })

  it("computes the next change of a comparison", () => {
    const when: Tree = ["<", ["ago", ["context", "instant", "t"], 86_400_000], ["number", "1000"]]
    const found = decided(when, { t: new Date(NOW) })
    expect(found).toMatchObject({ value: true, validUntil: NOW + 1000 * 86_400_000 })
  })
})

describe("the context", () => {
  it("is what the server would read of its JSON", () => {
    const text: Tree = ["==", ["context", "string", "s"], "\ufffdx\ufffd"]
    expect(decided(text, { s: "\ud83dx\0" })).toMatchObject({ value: true })
    expect(decided(["exists", ["context", "json", "s"]], { s: Number.NaN })).toMatchObject({ value: false })
    expect(decided(["exists", ["context", "json", "s"]], { s: undefined })).toMatchObject({ value: false })
    expect(decided(["==", ["context", "string", "s"], "\\u0000"], { s: "\\u0000" })).toMatchObject({ value: true })
  })

  it("has nothing of JavaScript's objects", () => {
    for (const path of [
      ["constructor", "name"],
      ["a", "length"],
      ["s", "0"],
      ["__proto__", "toString"],
    ]) {
      expect(decided(["exists", ["context", "json", ...path]], { a: [1], s: "x" })).toMatchObject({ value: false })
    }
  })
})

it("marks what was last known", () => {
  expect(evaluate(snapshot({ f: rule(true) }, { stale: true }), "f", {}, NOW)).toMatchObject({ reason: "STALE" })
})

it("divides by the unit of a new visitor, and says when it is missing", () => {
  const half: LocalFlag = { ...rule(false), clauses: [] }
  const clauses: Clause[] = [
    { buckets: [["new_checkout", "rollout", 0, 20_000]], serve: "on", reason: "SPLIT", rule: "r" },
    { serve: "off", reason: "DEFAULT" },
  ]
  const given = snapshot({ f: { ...half, clauses } }, { unit: null })
  expect(evaluate(given, "f", {}, NOW)).toMatchObject({ value: false, unitMissing: true })
  expect(evaluate(given, "f", {}, NOW, "u-1")).toMatchObject({ value: false, reason: "DEFAULT" })
  expect(evaluate(given, "f", {}, NOW, "u-2")).toMatchObject({ value: true, reason: "SPLIT", rule: "r" })
})
