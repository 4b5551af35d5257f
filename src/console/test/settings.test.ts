import { describe, expect, it } from "vitest"
import { difference } from "../app/lib/difference.ts"
import { documentOf, textOf } from "../app/settings/text.ts"

describe("the document of a policy", () => {
  it("is read from the text that it was written as", () => {
    const document = { events: "any", aliases: { signpu: "signup" } }
    expect(documentOf(textOf(document as never))).toEqual({ document })
  })

  it.each(["", "{", "[]", "null", "7", '{"rules": [}'])("says what is wrong with %j", (text) => {
    expect(documentOf(text).problem).toMatch(/^(This is not JSON: .+\.|A policy is an object: .+)$/)
  })
})

describe("the difference of two texts", () => {
  it("is empty of the same", () => {
    expect(difference("a\nb\n", "a\nb\n")).toBe("")
  })

  it("keeps what they share and marks the rest", () => {
    expect(difference("a\nb\nc\n", "a\nx\nc\nd\n").split("\n")).toEqual(["  a", "- b", "+ x", "  c", "+ d"])
    expect(difference("", "a\n")).toContain("+ a")
    expect(difference("a\n", "")).toContain("- a")
  })

  it("gives back both texts", () => {
    const texts = ["a b c d", "b d", "x a c", "d c b a", "a a b", ""].map((text) => text.split(" ").join("\n"))
    for (const before of texts)
      for (const after of texts) {
        if (before === after) continue
        const lines = difference(before, after).split("\n")
        const side = (sign: string) => lines.filter((line) => line[0] !== sign).map((line) => line.slice(2))
        expect(side("+").join("\n")).toBe(before)
        expect(side("-").join("\n")).toBe(after)
      }
  })
})
