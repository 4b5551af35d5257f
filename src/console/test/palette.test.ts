import { expect, it } from "vitest"
import { ranked } from "../app/shell/ranked.ts"

const TITLES = [
  "Segments",
  "Traits",
  "lost_segments",
  "re-engage",
  "New segment",
  "consegment",
  "Theme: dark",
  "Sign out",
]
const found = (text: string) =>
  ranked(
    TITLES.map((title) => ({ title })),
    text,
  ).map(({ title }) => title)

it("offers first what begins with the text, then what has a word that does", () => {
  expect(found("seg")).toEqual(["Segments", "lost_segments", "New segment", "consegment"])
  expect(found("SEG new")).toEqual(["New segment"])
  expect(found("dark")).toEqual(["Theme: dark"])
  expect(found("engage")).toEqual(["re-engage"])
})

it("offers everything without a text, and nothing that lacks a word", () => {
  expect(found("  ")).toEqual(TITLES)
  expect(found("segment none")).toEqual([])
})
