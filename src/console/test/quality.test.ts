import { describe, expect, it } from "vitest"
import type { HourCount } from "../app/lib/api.ts"
import { byCode, inAll, overTime } from "../app/quality/counts.ts"
import { linesOf, markedLine } from "../app/quality/placed.ts"

const shown = (payload: string) => linesOf(payload).map(({ text }) => text)

function marked(payload: string, path: string): string | undefined {
  const lines = linesOf(payload)
  const at = markedLine(lines, path)
  return at === undefined ? undefined : lines[at]?.text.trim()
}

describe("a message as lines", () => {
  it("keeps every value as it was sent", () => {
    const payload =
      '{"n":12345678901234567890,"x":1.50,"deep":{"list":[1,{"a":"b, {c}: \\"d\\""}]},"none":{},"empty":[]}'
    expect(shown(payload)).toEqual([
      "{",
      '  "n": 12345678901234567890,',
      '  "x": 1.50,',
      '  "deep": {',
      '    "list": [',
      "      1,",
      "      {",
      '        "a": "b, {c}: \\"d\\""',
      "      }",
      "    ]",
      "  },",
      '  "none": {},',
      '  "empty": []',
      "}",
    ])
  })

  it("shows what was cut off as far as it goes", () => {
    expect(shown('{"event":"purchase","properties":{"note":"a lo')).toEqual([
      "{",
      '  "event": "purchase",',
      '  "properties": {',
      '    "note": "a lo',
    ])
  })

  it("leaves what is no JSON as it is", () => {
    expect(shown("hello, {world}")).toEqual(["hello, {world}"])
    expect(shown("[]")).toEqual(["[]"])
  })
})

describe("the line of an error", () => {
  const payload = '{"event":"","properties":{"cart":[{"sku":"a"},{"sku":"b"}],"the size":3},"$x":1}'

  it("is that of the value", () => {
    expect(marked(payload, "$.batch[4].event")).toBe('"event": "",')
    expect(marked(payload, "$.event")).toBe('"event": "",')
    expect(marked(payload, "$[0].properties.cart[1].sku")).toBe('"sku": "b"')
    expect(marked(payload, "$.properties['the size']")).toBe('"the size": 3')
    expect(marked(payload, "$.$x")).toBe('"$x": 1')
  })

  it("is that of what would hold it, if it is not there", () => {
    expect(marked(payload, "$.batch[0].properties.amount")).toBe('"properties": {')
    expect(marked(payload, "$.properties.cart[7].sku")).toBe('"cart": [')
  })

  it("is absent for the whole message", () => {
    expect(marked(payload, "$.batch[2]")).toBeUndefined()
    expect(marked(payload, "$")).toBeUndefined()
    expect(marked(payload, "$.batch[2].userId")).toBeUndefined()
    expect(marked("no JSON", "$.event")).toBeUndefined()
  })
})

describe("counts of rejections", () => {
  const count = (hour: string, code: string, keyId: number | null, messages: number, repeats = 0): HourCount => ({
    hour: `2026-11-${hour}:00:00.000Z`,
    code,
    keyId,
    key: keyId === null ? null : `key ${keyId}`,
    messages,
    repeats,
  })
  const counts = [
    count("29T08", "INVALID_EVENT", 1, 2, 1),
    count("29T08", "UNKNOWN_TYPE", 2, 5),
    count("28T23", "INVALID_EVENT", 2, 4),
    count("28T23", "INVALID_EVENT", null, 1),
  ]

  it("are summed by code, with the busiest senders first", () => {
    const [first, second] = byCode(counts)
    expect(first).toMatchObject({
      code: "INVALID_EVENT",
      messages: 7,
      repeats: 1,
      lastHour: "2026-11-29T08:00:00.000Z",
    })
    expect(first?.keys.map(({ id, n }) => [id, n])).toEqual([
      [2, 4],
      [1, 3],
      [null, 1],
    ])
    expect(second).toMatchObject({ code: "UNKNOWN_TYPE", messages: 5 })
  })

  it("lose nothing over time, and fall on the days of the zone", () => {
    const now = Date.parse("2026-11-29T08:30:00Z")
    const hours = overTime(counts, 48, now, "UTC")
    expect(hours).toHaveLength(48)
    expect(hours.at(-1)).toEqual({ at: "2026-11-29T08:00:00.000Z", n: 8 })
    expect(hours.reduce((sum, { n }) => sum + n, 0)).toBe(13)
    const days = (zone: string) => overTime(counts, 720, now, zone).slice(-2)
    expect(days("UTC")).toEqual([
      { at: "2026-11-28", n: 5 },
      { at: "2026-11-29", n: 8 },
    ])
    expect(days("Europe/Berlin")).toEqual([
      { at: "2026-11-28", n: 0 },
      { at: "2026-11-29", n: 13 },
    ])
  })

  it.each(["UTC", "America/New_York"])("add up to the same everywhere, from the first hour on, in %s", (zone) => {
    const first = { ...count("29T08", "INVALID_EVENT", 1, 3, 2), hour: "2026-10-30T09:00:00.000Z" }
    const now = Date.parse("2026-11-29T08:30:00Z")
    const bars = overTime([...counts, first], 720, now, zone)
    expect(bars[0]).toEqual({ at: "2026-10-30", n: 5 })
    expect(bars.reduce((sum, { n }) => sum + n, 0)).toBe(18)
    expect(inAll([...counts, first])).toBe("15 messages, 3 repeats")
    expect(inAll(counts.slice(1, 2))).toBe("5 messages")
  })
})
