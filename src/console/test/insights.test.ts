import { describe, expect, it } from "vitest"
import { apart, longName, named, runs, shortName, stack } from "../app/charts/scales.ts"
import { measureOf, measureText } from "../app/insights/builder/measures.ts"
import { eventOptions, propertiesOf } from "../app/insights/builder/options.ts"
import { daysOf, rangeOf, shifted, today } from "../app/insights/builder/range.ts"
import { duration, figure, percent } from "../app/insights/figures.ts"
import { flat, trimmed, unflat } from "../app/insights/query/flat.ts"
import { isAt, messageAt } from "../app/insights/query/paths.ts"
import { type Question, shortest, textsOf } from "../app/insights/query/question.ts"
import { cellOf, change, idOf, lineOf, nameOfLine, nameOfSeries } from "../app/insights/trends/lines.ts"
import { keyOf } from "../app/lib/key_of.ts"
import { offered } from "../app/ui/picker.tsx"

const TREND: Question<"trend"> = {
  kind: "trend",
  last: "30d",
  series: [
    { event: "purchase", where: 'amount >= 50 && category == "tea"', measure: "sum", property: "amount" },
    {
      event: { any: [{ event: "view", where: "" }, { event: "12" }] },
      measure: measureOf("count/median"),
    },
  ],
  formula: "A / B",
  breakdown: { property: "category", at: "event" },
  top: 3,
  cumulative: false,
}

function throughAddress(texts: Record<string, string>): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(new URLSearchParams(texts).toString()))
}

describe("a question in an address", () => {
  it("is the same when it is read back", () => {
    const read = { kind: "trend", ...unflat(throughAddress(textsOf(TREND))) }
    expect(read).toEqual(shortest(TREND))
  })

  it("can be read by a person, and says nothing that is the default", () => {
    expect(
      textsOf({ kind: "trend", bucket: "day", sample: 1, series: [{ event: "purchase", measure: "count" }] }),
    ).toEqual({ "series.0.event": "purchase" })
    expect(new URLSearchParams(textsOf(TREND)).toString()).toContain("last=30d&series.0.event=purchase&")
  })

  it.each([
    ["12"],
    ["1e5"],
    ["true"],
    ["null"],
    ["{}"],
    ["[]"],
    ["'quoted"],
    ["a.b"],
    ["  "],
    ["ä + & = ? #"],
    ['he said "no"'],
  ])("keeps the text %s a text", (text) => {
    expect(unflat(throughAddress(flat({ event: text, list: [text] })))).toEqual({ event: text, list: [text] })
  })

  it("keeps what stands in a list, and leaves out fields that say nothing", () => {
    const given = {
      groups: ["", null, false, 0, -1.5, {}, []],
      brackets: [
        [0, 1],
        [2, 7],
      ],
      nothing: { a: "", b: null, c: false, d: [], e: {} },
      zero: 0,
    }
    expect(unflat(throughAddress(flat(given)))).toEqual(trimmed(given))
    expect(trimmed(given)).toEqual({ groups: given.groups, brackets: given.brackets, zero: 0 })
  })

  it("keeps more than ten items of a list in their order", () => {
    const list = Array.from({ length: 26 }, (_, n) => `e${n}`)
    expect(unflat(throughAddress(flat({ list })))).toEqual({ list })
  })
})

describe("what the server says", () => {
  it("is shown at its field, or at the field that it is a part of", () => {
    expect(isAt("series[0].where", "series[0].where")).toBe(true)
    expect(isAt("$.breakdown[1].property", "breakdown")).toBe(true)
    expect(isAt("series[0].property", "series[0].pro")).toBe(false)
    expect(isAt("series[10].where", "series[1]")).toBe(false)
  })

  it("does not repeat where it is shown", () => {
    expect(messageAt({ path: "series[0].where", message: "series[0].where, character 8: A value must follow." })).toBe(
      "Character 8: A value must follow.",
    )
    expect(messageAt({ path: "last", message: "last: '7x' is not a range." })).toBe("'7x' is not a range.")
    expect(messageAt({ path: "series[0].event", message: "Unknown event." })).toBe("Unknown event.")
  })
})

describe("ranges of days", () => {
  it("end with their last day, which the server leaves out", () => {
    expect(rangeOf("2026-03-01", "2026-03-31")).toEqual({ from: "2026-03-01", to: "2026-04-01", last: undefined })
    expect(daysOf({ from: "2026-03-01", to: "2026-04-01" })).toEqual({ first: "2026-03-01", last: "2026-03-31" })
    expect(daysOf({ from: "2026-03-01" })).toEqual({ first: "2026-03-01", last: "" })
    expect(shifted("2024-03-01", -1)).toBe("2024-02-29")
  })

  it("are of the environment's zone", () => {
    const late = Date.parse("2026-03-01T23:30:00Z")
    expect(today("UTC", late)).toBe("2026-03-01")
    expect(today("Europe/Berlin", late)).toBe("2026-03-02")
  })
})

describe("lines", () => {
  it("are cut by what is unknown, and open where they lead to what is not over", () => {
    expect(runs([1, 2, null, 3], [true, true, true, true])).toEqual([
      { from: 0, to: 1, open: false },
      { from: 3, to: 3, open: false },
    ])
    expect(runs([1, 2, 3], [true, true, false])).toEqual([
      { from: 0, to: 1, open: false },
      { from: 1, to: 2, open: true },
    ])
    expect(runs([1, 2], [true, false])).toEqual([{ from: 0, to: 1, open: true }])
    expect(runs([1, 2, 3, null], [false, true, false, false])).toEqual([
      { from: 0, to: 1, open: false },
      { from: 1, to: 2, open: true },
    ])
    expect(runs([null, null], [true, true])).toEqual([])
  })

  it("have labels that do not cover each other", () => {
    expect(apart([10, 12, 80], 15, 0, 100)).toEqual([10, 25, 80])
    expect(apart([99, 98], 15, 0, 100)).toEqual([100, 85])
    expect(apart([], 15, 0, 100)).toEqual([])
  })

  it("have as many names below as there is room for, the last among them", () => {
    expect(named(30, 640, 64)).toEqual([2, 5, 8, 11, 14, 17, 20, 23, 26, 29])
    expect(named(2, 640, 64)).toEqual([0, 1])
    expect(named(0, 640, 64)).toEqual([])
  })

  it("are piled up from zero, and what is below zero hangs down", () => {
    expect(stack([{ values: [1, -2] }, { values: [3, -1] }, { values: [null, 5] }], 2)).toEqual([
      [
        [0, 1],
        [0, -2],
      ],
      [
        [1, 4],
        [-2, -3],
      ],
      [
        [4, 4],
        [0, 5],
      ],
    ])
  })

  it("name buckets in the zone of the days", () => {
    const bucket = { start: "2026-11-23T00:00:00+01:00", end: "2026-11-30T00:00:00+01:00", complete: true }
    expect(shortName(bucket, "day", "Europe/Berlin")).toBe("23 Nov")
    expect(longName(bucket, "week", "Europe/Berlin")).toBe("Week of 23 Nov 2026")
    expect(longName({ ...bucket, start: "2026-10-01T00:00:00Z" }, "quarter", "UTC")).toBe("Q4 2026")
  })
})

describe("a trend", () => {
  const tea = { kind: "value" as const, values: ["tea"] }
  const line = { series: "A", name: "purchase", group: tea, values: [1], total: 1 }

  it("calls a line by its group where only groups differ", () => {
    const one: Question<"trend"> = { kind: "trend", series: [{ event: "purchase" }] }
    expect(nameOfLine(line, one)).toBe("tea")
    expect(nameOfLine(line, TREND)).toBe("tea · purchase: sum of amount")
    expect(nameOfLine({ ...line, group: { kind: "other" } }, one)).toBe("other")
    expect(nameOfLine({ ...line, series: "formula", group: null }, TREND)).toBe("A / B")
    expect(nameOfSeries({ event: "*", measure: "people" })).toBe("any event: people")
  })

  it("finds the number of a cell again, and has none for a formula", () => {
    const cell = cellOf(line, "2026-11-23T00:00:00+00:00")
    expect(cell).toEqual({ kind: "trend", series: "A", group: tea, bucket: "2026-11-23T00:00:00+00:00" })
    const answer = {
      kind: "trend" as const,
      buckets: [],
      lines: [{ ...line, group: { kind: "other" as const } }, line],
    }
    expect(cell && lineOf(answer, cell)).toBe(line)
    expect(idOf(line)).not.toBe(idOf({ ...line, group: { kind: "value", values: ["coffee"] } }))
    expect(cellOf({ ...line, series: "formula" })).toBeUndefined()
  })

  it("writes a measure of each person first as one text", () => {
    expect(measureText(measureOf("sum/median"))).toBe("sum/median")
    expect(measureOf("p90")).toBe("p90")
  })

  it("says how much more there is", () => {
    expect(change(12, 10)).toBe("+20 %")
    expect(change(5, 10)).toBe("-50 %")
    expect(change(5, 0)).toBe("—")
    expect(change(null, 3)).toBe("—")
  })
})

describe("figures", () => {
  it("are short where they are long", () => {
    expect([figure(9_999), figure(12_345), figure(1.23456), figure(0), figure(null)]).toEqual([
      "9,999",
      "12.3K",
      "1.23",
      "0",
      "—",
    ])
    expect([percent(0.1234), percent(null)]).toEqual(["12.3 %", "—"])
    expect([duration(500), duration(61_000), duration(3_600_000), duration(183_600_000), duration(null)]).toEqual([
      "500 ms",
      "1 min 1 s",
      "1 h",
      "2 d 3 h",
      "—",
    ])
  })
})

describe("what can be chosen", () => {
  const names = { events: { purchase: ["_utm_source", "amount"], view: ["sku", "amount"] }, profile: [], group: [] }

  it("are the properties of the event, what the server adds last", () => {
    expect(propertiesOf(names, "purchase")).toEqual(["amount", "_utm_source"])
    expect(propertiesOf(names, "*")).toEqual(["amount", "sku", "_utm_source"])
    expect(propertiesOf(names, { any: [{ event: "view" }] })).toEqual(["sku", "amount"])
    expect(propertiesOf(names, "nothing")).toEqual([])
  })

  it("begins with what begins so, and may be the text itself", () => {
    const options = [{ value: "repurchase" }, { value: "purchase" }, { value: "refund", hint: "a purchase taken back" }]
    expect(offered(options, "purch").map(({ value }) => value)).toEqual(["purchase", "repurchase", "refund"])
    expect(offered(options, "cart", (text) => `Event ${text}`)).toEqual([{ value: "cart", title: "Event cart" }])
    expect(offered(options, "purchase", (text) => `Event ${text}`).map(({ value }) => value)).not.toContain(
      "Event purchase",
    )
  })

  it("are events that a question can name", () => {
    const event = { name: "purchase", visible: true, description: "", lately: 1200 }
    const events = {
      events: [event, { ...event, name: "$identify" }, { ...event, name: "old", visible: false }],
      overflow: 0,
    }
    expect(eventOptions(events as never, true).map(({ value }) => value)).toEqual(["*", "purchase"])
  })

  it("makes keys of names", () => {
    expect(keyOf("Weekly buyers, DE")).toBe("weekly_buyers_de")
    expect(keyOf("Käufe")).toBe("kaufe")
    expect(keyOf("2026 plan")).toBe("r_2026_plan")
    expect(keyOf(" … ")).toBe("")
  })
})
