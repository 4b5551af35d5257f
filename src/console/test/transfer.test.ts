import { expect, test } from "vitest"
import { bound, deed, subject } from "../app/audit/entries.ts"
import { asText, fixed, mapped, PROPERTY } from "../app/transfer/mapping.ts"

const NONE = { columns: {}, fixed: {}, text: [] }

test("a column becomes one field, and a field comes from one column", () => {
  const first = mapped(NONE, "customer", "userId", null)
  expect(first.columns).toEqual({ userId: "customer" })
  expect(mapped(first, "buyer", "userId", null).columns).toEqual({ userId: "buyer" })
  expect(mapped(first, "customer", "externalId", "userId").columns).toEqual({ externalId: "customer" })
  expect(mapped(first, "when", "timestamp", null).columns).toEqual({ userId: "customer", timestamp: "when" })
})

test("a column that is named like a field is sent to a property by its name", () => {
  expect(mapped(NONE, "name", PROPERTY, "name").columns).toEqual({ "properties.name": "name" })
  expect(mapped(NONE, "zip", PROPERTY, null).columns).toEqual({})
})

test("values and texts are set and taken back", () => {
  expect(fixed(NONE, "event", "order").fixed).toEqual({ event: "order" })
  expect(fixed(fixed(NONE, "event", "order"), "event", "").fixed).toEqual({})
  expect(asText(asText(NONE, "zip", true), "zip", true).text).toEqual(["zip"])
  expect(asText(asText(NONE, "zip", true), "zip", false).text).toEqual([])
})

test("an entry of the audit log reads as a sentence", () => {
  const entry = { at: "", id: "7", author: null, note: "" }
  const said = (kind: "revision" | "flag" | "merge" | "erasure", action: string, name: string) => {
    const one = { ...entry, kind, action, name }
    return `${deed(one)} ${subject(one)}`
  }
  expect(said("revision", "published", "")).toBe("Published revision 7")
  expect(said("flag", "killed", "paywall")).toBe("Killed the flag paywall")
  expect(said("merge", "undone", "12")).toBe("Undid a merge of profile 12")
  expect(said("erasure", "erased", "1")).toBe("Erased 1 profile")
})

test("a span of days includes the last one", () => {
  expect(bound("2026-02-28")).toBe("2026-02-28T00:00:00.000Z")
  expect(bound("2026-02-28", true)).toBe("2026-03-01T00:00:00.000Z")
  expect(bound(undefined)).toBeUndefined()
  expect(bound("yesterday")).toBeUndefined()
})
