import { describe, expect, it } from "vitest"
import { grouped, type Minute } from "../app/overview/counts.ts"

function minutes(values: (number | null)[]): Minute[] {
  const none = { accepted: 0, duplicates: 0, rejected: 0, decisions: 0, ingestP50Ms: null, ingestP99Ms: null }
  return values.map((lagMs, index) => ({ ...none, at: `2026-11-29T12:0${index}:00.000Z`, lagMs }))
}

describe("minutes in groups", () => {
  const lag = ({ lagMs }: Minute) => lagMs

  it("end with the last minute, and drop what is no whole group at the beginning", () => {
    const found = grouped(minutes([9, 1, 2, 3, 5]), 2, lag, "mean")
    expect(found).toEqual([
      { at: "2026-11-29T12:01:00.000Z", n: 1.5 },
      { at: "2026-11-29T12:03:00.000Z", n: 4 },
    ])
    expect(grouped(minutes([9, 1, 2, 3, 5]), 2, lag, "most").map(({ n }) => n)).toEqual([2, 5])
  })

  it("leave out what is not known, which is not zero", () => {
    expect(grouped(minutes([null, 4, null, null]), 2, lag, "mean").map(({ n }) => n)).toEqual([4, null])
  })
})
