import { expect, it } from "vitest"
import { firstTexts } from "../app/editor/text/first_texts.ts"

const events = [
  { name: "signup", lately: 1 },
  { name: "$identify", lately: 90 },
  { name: "purchase", lately: 20 },
  { name: "Order Completed", lately: 80 },
  { name: "page", lately: 30 },
]

it("offers the busiest events whose names can be written as they are", () => {
  expect(firstTexts(events, "segments")).toEqual([
    "events.page.count_30d >= 2",
    "events.purchase.count_30d >= 2",
    "events.signup.count_30d >= 2",
  ])
  expect(firstTexts(events, "traits")[0]).toBe("events.page.count_30d")
  expect(firstTexts([], "traits")).toEqual([])
})
