import { describe, expect, it } from "vitest"
import { rate } from "../app/lib/format.ts"
import { countdown, money, shown, spoken } from "../demo/format.ts"

describe("a countdown", () => {
  it.each([
    [-3, "0:00"],
    [0, "0:00"],
    [9, "0:09"],
    [102, "1:42"],
    [3_600, "1:00:00"],
    [7_530, "2:05:30"],
    [2 * 86_400 - 1, "47:59:59"],
    [30 * 86_400 - 1, "30 days"],
  ])("of %d seconds is %s", (seconds, text) => {
    expect(countdown(seconds)).toBe(text)
  })

  it("is said in minutes", () => {
    expect([spoken(59), spoken(61)]).toEqual(["about a minute", "about 2 minutes"])
  })
})

describe("a value", () => {
  it.each([
    [null, "—"],
    [undefined, "—"],
    [false, "no"],
    [true, "yes"],
    [0, "0"],
    [110.70000000000002, "110.7"],
    ["", "“”"],
    ["coffee", "coffee"],
    [["a"], '["a"]'],
  ])("%j is %s", (value, text) => {
    expect(shown(value)).toBe(text)
  })

  it("is never false where it is unknown", () => {
    expect(shown(null)).not.toBe(shown(false))
  })
})

it("a price has two decimals", () => {
  expect(money(1_490)).toBe("€14.90")
})

describe("a rate", () => {
  it.each([
    [0, "0"],
    [0.0167, "< 0.1"],
    [0.05, "0.1"],
    [2.35, "2.4"],
    [1234, "1,234"],
  ])("%f has one decimal at most", (perSecond, shown) => {
    expect(rate(perSecond)).toBe(shown)
  })
})
