import { describe, expect, it } from "vitest"
import type { EventPage, PlannedEvent, PropertySummary } from "../app/lib/api.ts"
import { arrivingRows, doubled, entryOf, fieldsOf, rowOf } from "../app/registry/entry.ts"
import { foreseen } from "../app/registry/foreseen.ts"

const SEEN = "2026-11-29T12:00:00.000Z"

function property(name: string, types: Record<string, number>, share: number | null = 1): PropertySummary {
  return {
    name,
    type: Object.keys(types)[0] ?? null,
    types: Object.entries(types).map(([type, n]) => ({ type, n, firstSeen: SEEN, lastSeen: SEEN })),
    state: "active",
    why: "",
    share,
    firstSeen: SEEN,
    lastSeen: SEEN,
    example: null,
    declared: null,
    likelyMisspellingOf: null,
    remedy: null,
  }
}

function arrived(...properties: PropertySummary[]): EventPage {
  return {
    event: {
      name: "purchase",
      versionOf: null,
      version: null,
      state: "active",
      planned: false,
      description: "",
      owner: "",
      visible: true,
      firstSeen: SEEN,
      lastSeen: SEEN,
      total: 90,
      today: 4,
      lately: 40,
      properties: properties.length,
      likelyMisspellingOf: null,
      remedy: null,
    },
    versions: [],
    hours: [],
    days: [],
    properties,
    sdks: [],
    plan: null,
    violations: [],
    overflow: 0,
  }
}

const PLAN: PlannedEvent = {
  description: "A customer paid.",
  owner: "checkout",
  status: "experimental",
  enforce: "reject",
  additional: false,
  visible: false,
  properties: {
    amount: { description: "", type: "number", required: true, revenue: true, minimum: 0, maximum: 9.5 },
    currency: { description: "of amount", type: "string", values: ["EUR", "USD"], maxLength: 3 },
    rating: { description: "", type: "integer", values: [1, 2] },
    gift: { description: "", type: "boolean", values: [true] },
  },
}

describe("an entry of the plan", () => {
  it("is the same after the form", () => {
    expect(entryOf(fieldsOf(PLAN))).toEqual(PLAN)
  })

  it("keeps the values of a property of any type, but for the lines that were changed", () => {
    const values = [1, "1", true, [2], " a ", "two\nlines"]
    const fields = fieldsOf({ properties: { size: { values } } })
    expect(entryOf({ ...fields, description: "Sold." }).properties?.size?.values).toEqual(values)

    const [row] = fields.rows
    if (!row) throw new Error("it has a row")
    const saved = (change: Partial<typeof row>) => {
      const [sent] = Object.values(entryOf({ ...fields, rows: [{ ...row, ...change }] }).properties ?? {})
      return sent?.values
    }
    expect(saved({ values: "new\n1\n1\n[2]" })).toEqual(["new", 1, "1", [2]])
    expect(saved({ values: "" })).toBeUndefined()
    expect(saved({ values: "1\n1", type: "number" })).toEqual([1, 1])
    expect(saved({ values: "1\n1", type: "string" })).toEqual(["1", "1"])
  })

  it("sends what is no number as it was typed, so that the server says what is wrong", () => {
    const fields = {
      ...fieldsOf({}),
      rows: [{ ...rowOf("a", { type: "number" }), minimum: "much", values: "1\nmany" }],
    }
    expect(entryOf(fields).properties?.a).toEqual({
      description: "",
      type: "number",
      minimum: "much",
      values: [1, "many"],
    })
  })

  it("leaves out rows without a name, and finds names that stand twice", () => {
    const fields = { ...fieldsOf({}), rows: [rowOf("a"), rowOf(" "), rowOf("b"), rowOf("a ")] }
    expect(Object.keys(entryOf(fields).properties ?? {})).toEqual(["a", "b"])
    expect(doubled(fields)).toBe("a")
    expect(doubled({ ...fields, rows: [rowOf("a"), rowOf(""), rowOf("")] })).toBeUndefined()
  })

  it("is offered what arrives, but for what it names", () => {
    const found = arrived(property("amount", { number: 9 }), property("tags", { list: 3 }), property("planned", {}))
    expect(arrivingRows(fieldsOf(PLAN), found)).toEqual([rowOf("tags", { type: "list" })])
  })
})

describe("what a plan would find", () => {
  const paths = (entry: PlannedEvent, ...properties: PropertySummary[]) =>
    foreseen(entry, arrived(...properties)).map(({ path, sure }) => [path, sure])

  it("is nothing for an event that never arrived", () => {
    expect(foreseen(PLAN, undefined)).toEqual([])
  })

  it("is everything if the event is blocked", () => {
    expect(foreseen({ status: "blocked" }, arrived())[0]?.text).toContain("40 messages")
  })

  it("is a required property that some messages lack", () => {
    const entry: PlannedEvent = { properties: { amount: { required: true } } }
    expect(paths(entry, property("amount", { number: 9 }, 0.75))).toEqual([["amount", true]])
    expect(foreseen(entry, arrived(property("amount", { number: 9 }, 0.75)))[0]?.text).toContain("missing in 25 %")
    expect(foreseen(entry, arrived())[0]?.text).toContain("never there")
    expect(paths(entry, property("amount", { number: 9 }, 1))).toEqual([])
    expect(paths(entry, property("amount", { number: 9 }, null))).toEqual([])
  })

  it.each([
    ["number", { number: 5 }, []],
    ["number", { number: 5, string: 1 }, [["amount", false]]],
    ["number", { list: 1 }, [["amount", true]]],
    ["string", { number: 5, boolean: 1 }, []],
    ["integer", { number: 5 }, [["amount", false]]],
    ["datetime", { string: 5 }, [["amount", false]]],
    ["boolean", { number: 5 }, [["amount", true]]],
    ["object", { null: 5 }, []],
  ] as const)("of a %s that arrives as %j is %j", (type, types, found) => {
    expect(paths({ properties: { amount: { type } } }, property("amount", types))).toEqual(found)
  })

  it("is what is not named if nothing else may be there", () => {
    const properties = [
      property("amount", { number: 1 }),
      property("cart.size", { number: 1 }, 0.5),
      property("_utm", { string: 1 }),
    ]
    expect(paths({ additional: false, properties: { amount: {} } }, ...properties)).toEqual([["cart", true]])
    expect(paths({ additional: false, properties: { amount: {}, "cart.size": {} } }, ...properties)).toEqual([])
    expect(paths({ properties: { amount: {} } }, ...properties)).toEqual([])
  })
})
