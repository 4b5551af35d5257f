import { beforeEach, describe, expect, it, vi } from "vitest"
import { changeOf, type Fields, merged } from "../app/editor/fields.ts"
import { changeBetween, edited, offsetAt, pointAt } from "../app/editor/text/positions.ts"

const TEXTS = ["", "abc", '"☕ 😀" == name', "😀😀😀", "a😀b", "näive\nline"]

describe("positions", () => {
  it("count characters, as the server does, and lead back", () => {
    for (const text of TEXTS) {
      const characters = [...text]
      let offset = 0
      for (const [point, character] of characters.entries()) {
        expect(pointAt(text, offset)).toBe(point)
        expect(offsetAt(text, point)).toBe(offset)
        offset += character.length
      }
      expect(offsetAt(text, characters.length)).toBe(text.length)
      expect(offsetAt(text, characters.length + 5)).toBe(text.length)
    }
  })

  it("place the server's edits behind an emoji", () => {
    const edits = [
      { start: 7, end: 8, text: "==" },
      { start: 0, end: 0, text: "not " },
    ]
    expect(edited('"😀 " a = b', edits)).toBe('not "😀 " a == b')
  })

  it("change only what differs", () => {
    for (const before of TEXTS) {
      for (const after of TEXTS) {
        const change = changeBetween(before, after)
        const made = change ? before.slice(0, change.from) + change.insert + before.slice(change.to) : before
        expect(made).toBe(after)
      }
    }
    expect(changeBetween("a >= 2", "a >= 23")).toEqual({ from: 6, to: 6, insert: "3" })
    expect(changeBetween("aaa", "aa")).toEqual({ from: 2, to: 3, insert: "" })
  })
})

describe("what two people changed", () => {
  const base: Fields = { name: "k", description: "old", expression: "a" }

  it("is kept of both if they changed other fields", () => {
    const { fields, clashes } = merged(base, { ...base, description: "theirs" }, { ...base, expression: "b" })
    expect(fields).toEqual({ name: "k", description: "theirs", expression: "b" })
    expect(clashes).toEqual([])
  })

  it("keeps mine, and says so, if they changed the same", () => {
    const { fields, clashes } = merged(base, { ...base, expression: "c" }, { ...base, expression: "b" })
    expect(fields.expression).toBe("b")
    expect(clashes).toEqual(["expression"])
  })

  it("is no clash if both wrote the same", () => {
    expect(merged(base, { ...base, expression: "b" }, { ...base, expression: "b" }).clashes).toEqual([])
  })

  it("is sent as a whole document, which erases nothing", () => {
    expect(changeOf("segments", { name: "k", description: "d", expression: "a" }, 3, false)).toEqual({
      kind: "segment",
      key: "k",
      document: { expression: "a", description: "d" },
      expects: 3,
    })
    expect(changeOf("segments", base, 1, true).document).toEqual({ static: true, description: "old" })
  })
})

describe("drafts", () => {
  const of = { environment: "prod", kind: "segment", name: "a/b" }
  const draft = { base: 3, at: 1, fields: { expression: "x > 1" } }
  let kept: Map<string, string>
  let full = false

  beforeEach(() => {
    vi.resetModules()
    kept = new Map()
    full = false
    const storage = {
      get length() {
        return kept.size
      },
      key: (index: number) => [...kept.keys()][index] ?? null,
      getItem: (name: string) => kept.get(name) ?? null,
      removeItem: (name: string) => kept.delete(name),
      setItem: (name: string, text: string) => {
        if (full) throw new Error("the quota is used up")
        kept.set(name, text)
      },
    }
    vi.stubGlobal("localStorage", storage)
    vi.stubGlobal("sessionStorage", storage)
  })

  const drafts = () => import("../app/editor/drafts.ts")

  it("outlive the page, with the version that they began from", async () => {
    const before = await drafts()
    before.keepDraft(of, draft)
    vi.resetModules()
    const after = await drafts()
    expect(after).not.toBe(before)
    expect(after.readDraft(of)).toEqual(draft)
    after.discardDraft(of)
    expect(after.readDraft(of)).toBeUndefined()
    expect(kept.size).toBe(0)
  })

  it("are apart for each environment, kind and key", async () => {
    const { keepDraft, readDraft, draftsOf } = await drafts()
    keepDraft(of, draft)
    keepDraft({ ...of, name: "" }, draft)
    keepDraft({ ...of, environment: "staging", name: "c" }, draft)
    keepDraft({ ...of, kind: "trait", name: "d" }, draft)
    expect(draftsOf("prod", "segment")).toEqual(["", "a/b"])
    expect(readDraft({ ...of, name: "b" })).toBeUndefined()
  })

  it("go along with another name", async () => {
    const { keepDraft, moveDraft, readDraft } = await drafts()
    const named = { ...draft, fields: { ...draft.fields, name: "a/b" } }
    keepDraft(of, named)
    moveDraft(of, "c", { before: 3, after: 4 })
    expect(readDraft(of)).toBeUndefined()
    expect(readDraft({ ...of, name: "c" })).toEqual({ base: 4, at: 1, fields: { expression: "x > 1", name: "c" } })
    // It began before the version that was renamed: that is still to be looked at.
    moveDraft({ ...of, name: "c" }, "d", { before: 9, after: 10 })
    expect(readDraft({ ...of, name: "d" })?.base).toBe(4)
    // What has no draft leaves that of the other name alone.
    moveDraft(of, "d")
    expect(readDraft({ ...of, name: "d" })).toBeDefined()
  })

  it("stay while the page is open if the storage is full", async () => {
    const { keepDraft, readDraft, draftsOf } = await drafts()
    full = true
    keepDraft(of, draft)
    expect(readDraft(of)).toEqual(draft)
    expect(draftsOf("prod", "segment")).toEqual(["a/b"])
  })

  it("have nothing that others wrote in their place", async () => {
    const { keepDraft, readDraft } = await drafts()
    keepDraft(of, draft)
    for (const name of kept.keys()) kept.set(name, "{not json")
    expect(readDraft(of)).toBeUndefined()
  })
})
