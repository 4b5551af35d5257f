import { describe, expect, test } from "vitest"
import { isFormed, newDocument, readDocument, textOf, withField, withType } from "../app/delivery/form/document.ts"
import { FIELDS, missingField } from "../app/delivery/form/types.ts"
import { isFormed as isFormedSync, missing, newSync } from "../app/delivery/syncs/document.ts"
import { conditionOf as conditionOfSync, leavingOf } from "../app/delivery/syncs/words.ts"
import { addressOf, conditionOf, span, typeOf } from "../app/delivery/words.ts"
import type { DestinationHealth, SyncHealth } from "../app/lib/api.ts"

const health = (of: Partial<DestinationHealth>) =>
  ({ state: "active", probeAt: null, failingSince: null, ...of }) as DestinationHealth

describe("how a destination is", () => {
  test("what a person did stands above what the receiver does", () => {
    const away = { probeAt: "2026-11-29T12:00:00Z", failingSince: "2026-11-29T11:00:00Z" }
    expect(conditionOf(health({}))).toBe("active")
    expect(conditionOf(health({ failingSince: away.failingSince }))).toBe("failing")
    expect(conditionOf(health(away))).toBe("not answering")
    expect(conditionOf(health({ ...away, state: "paused" }))).toBe("paused")
    expect(conditionOf(health({ ...away, state: "disabled" }))).toBe("disabled")
  })

  test("a length of time has its largest unit", () => {
    expect([0, 89, 90, 5_399, 5_400, 129_599, 129_600].map(span)).toEqual([
      "0 s",
      "89 s",
      "2 min",
      "90 min",
      "2 h",
      "36 h",
      "2 d",
    ])
  })

  test("a document without a type is a webhook, and an unknown one may have no address", () => {
    expect([typeOf({}), addressOf({ url: "https://a.example/" })]).toEqual(["webhook", "https://a.example/"])
    expect([typeOf({ type: "pigeon" }), addressOf({ type: "pigeon", url: 7 })]).toEqual(["pigeon", ""])
  })
})

describe("a document as it is edited", () => {
  test("its text is read as it was written, and other texts say what is wrong", () => {
    const document = { url: "https://a.example/", headers: { "10": "a", "9": "b" }, unknown: [1.5] }
    expect(textOf(readDocument(textOf(document)) as object as Record<string, unknown>)).toBe(textOf(document))
    expect(readDocument("[]")).toBe("The text is no JSON object.")
    expect(typeof readDocument("{")).toBe("string")
  })

  test("the form shows only what it can keep", () => {
    expect(isFormed(newDocument())).toBe(true)
    for (const odd of [{ url: 1 }, { events: "x" }, { headers: { a: 1 } }, { rate: "9" }, { type: "pigeon" }])
      expect(isFormed({ ...newDocument(), ...odd })).toBe(false)
  })

  test("a field is set in its place, or left out", () => {
    expect(Object.keys(withField({ url: "a", rate: 1 }, "url", "b"))).toEqual(["url", "rate"])
    expect(withField({ url: "a", rate: 1 }, "rate", undefined)).toEqual({ url: "a" })
  })

  test("another type keeps what both have, and says what it needs", () => {
    const hook = { ...newDocument(), name: "A", headers: { X: "1" }, rate: 5 }
    const bucket = withType(hook, "s3")
    expect(bucket).toEqual({ type: "s3", events: hook.events, name: "A" })
    expect(isFormed(bucket)).toBe(true)
    expect(missingField("s3", bucket)?.label).toBe("Bucket")
    expect(withType({ ...bucket, url: "https://a.example/" }, "webhook")).not.toHaveProperty("type")
  })

  test("each type has fields, and what is usual fits them", () => {
    for (const [type, fields] of Object.entries(FIELDS)) {
      expect(fields.length).toBeGreaterThan(0)
      const usual = Object.fromEntries(fields.map(({ name, usual }) => [name, usual]))
      expect(isFormed({ type, events: [], ...usual })).toBe(true)
      for (const { name, kind } of fields.filter(({ kind }) => kind !== "json"))
        expect([name, kind, isFormed({ type, events: [], [name]: { odd: 1 } })]).toEqual([name, kind, false])
    }
  })
})

describe("syncs", () => {
  const sync = (of: Partial<SyncHealth>, failed = 0) =>
    conditionOfSync({
      state: "active",
      problem: "",
      scan: "",
      counts: { failed, failedRemovals: 0 },
      ...of,
    } as SyncHealth)

  test("what a person has to decide stands above what a run met", () => {
    expect(sync({ state: "braked", problem: "The receiver answered 503." }, 2)).toBe("braked")
    expect(sync({ problem: "The receiver answered 503.", scan: "all" }, 2)).toBe("ended early")
    expect(sync({ scan: "all" }, 2)).toBe("failing")
    expect(sync({ scan: "proof" })).toBe("comparing")
    expect(sync({})).toBe("active")
  })

  test("what is sent when a person leaves is the mode's own unless it is said", () => {
    expect([{}, { mode: "mirror" }, { mode: "audience" }].map((of) => leavingOf(of as object))).toEqual([
      "nothing",
      "delete",
      "remove",
    ])
    expect(leavingOf({ mode: "mirror", onLeave: "remove" })).toBe("remove")
  })

  test("a new one is shown as a form, and says what it lacks", () => {
    const of = newSync()
    expect(isFormedSync(of)).toBe(true)
    expect(isFormedSync({ ...of, match: "email" })).toBe(false)
    expect([of, { ...of, destination: "crm", match: [] }, newSync("crm")].map(missing)).toEqual([
      "Destination",
      "Match by",
      "",
    ])
  })
})
