import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { fitting, LEGEND_ROW, legendOf } from "../app/charts/legend.ts"
import {
  chance,
  differenceOf,
  divides,
  figureOf,
  placeOf,
  ratioVerdict,
  relative,
  resultSentence,
  spanOf,
  titleOf as titleOfExperiment,
} from "../app/experiments/shape.ts"
import {
  barsOf,
  binName,
  conversionsOf,
  type Funnel,
  titleOf,
  withMoved,
  without,
} from "../app/insights/funnels/shape.ts"
import { seriesOf, titleOf as titleOfLifecycle } from "../app/insights/lifecycle/shape.ts"
import { listed, textOf } from "../app/insights/paths/lists.ts"
import { cellOf, linkName, outline, sankeyOf, titleOf as titleOfPaths } from "../app/insights/paths/shape.ts"
import { type Answer, completed, type Kind, type Question, questionOf } from "../app/insights/query/question.ts"
import { groupName, points, rangeBefore } from "../app/insights/rates.ts"
import { columnsOf, heat, periodName, stateOf, titleOf as titleOfRetention } from "../app/insights/retention/shape.ts"
import { titleOf as titleOfStickiness } from "../app/insights/stickiness/shape.ts"
import { pathOf } from "../app/insights/tabs.ts"
import type { Flag } from "../app/lib/api.ts"

/** An answer of a served demo. */
function saved<K extends Kind>(name: string): Answer<K> {
  return JSON.parse(readFileSync(new URL(`answers/${name}.json`, import.meta.url), "utf8")) as Answer<K>
}

describe("a funnel's answer", () => {
  const answer = saved<"funnel">("funnel")

  it("splits each column in those who came, who may come and who do not", () => {
    for (const group of answer.groups) {
      for (const [at, { reached, open, lost }] of barsOf(group).entries()) {
        const before = group.steps[at - 1]
        const all = before ? before.reached / group.reached : 1
        expect(reached + open + lost).toBeCloseTo(all, 9)
      }
    }
    const [free] = answer.groups
    expect(free && barsOf(free)[1]).toEqual({ reached: 48 / 57, open: 3 / 57, lost: 6 / 57 })
  })

  it("has nothing to divide by where no person began", () => {
    const [free] = answer.groups
    if (!free) throw new Error("the answer has a group")
    const none = {
      ...free,
      reached: 0,
      steps: free.steps.map((step) => ({ ...step, reached: 0, dropped: 0, inProgress: 0 })),
    }
    expect(barsOf(none)).toEqual([0, 1, 2].map(() => ({ reached: 0, open: 0, lost: 0 })))
  })

  it("calls a conversion final when its bucket is over and no person is in progress", () => {
    const trend = answer.trend ?? []
    for (const group of answer.groups) {
      for (const [at, { final, rate }] of conversionsOf(trend, group).entries()) {
        const own = trend[at]?.groups.find((one) => groupName(one.group) === groupName(group.group))
        expect(final).toBe(trend[at]?.bucket.complete === true && (own?.inProgress ?? 0) === 0)
        expect(rate).toBe(own?.reached ? own.rate : null)
      }
    }
    const none = { ...answer.groups[0], group: { kind: "value", values: ["no one"] } } as (typeof answer.groups)[0]
    expect(conversionsOf(trend, none).every(({ rate }) => rate === null)).toBe(true)
  })

  it("says who is behind a number", () => {
    const group = answer.groups[0]?.group ?? undefined
    expect(titleOf({ kind: "funnel", step: 2, status: "dropped" }, answer)).toBe("Dropped after 2 cart")
    expect(titleOf({ kind: "funnel", status: "dropped" }, answer)).toBe("Dropped")
    expect(titleOf({ kind: "funnel" }, answer)).toBe("Began")
    const [bin] = answer.groups[0]?.times ?? []
    const timed = { kind: "funnel", status: "converted", leastMs: bin?.leastMs, group } as const
    expect(titleOf(timed, answer)).toMatch(/^Converted, .+ to .+ \(/)
    expect(titleOf({ kind: "funnel", step: 1, status: "in_progress", group }, answer)).toBe(
      "Still in progress after 1 product_viewed (free)",
    )
    expect(titleOf({ kind: "funnel", step: 3, status: "converted", bucket: "2026-11-09T00:00:00+00:00" }, answer)).toBe(
      "Converted, entered from 2026-11-09",
    )
  })

  it("names the times of its histogram", () => {
    expect(binName({ leastMs: 0, belowMs: 10_000, people: 1 })).toBe("under 10 s")
    expect(binName({ leastMs: 60_000, belowMs: 300_000, people: 1 })).toBe("1 min to 5 min")
  })
})

describe("the steps of a funnel", () => {
  const question: Funnel = {
    kind: "funnel",
    steps: [{ event: "view" }, { event: "cart", within: "1d", where: "n > 1" }, { event: "buy", within: "2d" }],
    exclude: [{ event: "refund" }, { event: "leave", after: [1] }, { event: "return", after: [2] }],
    attribution: "step:2",
  }
  const events = ({ steps }: Funnel) => steps.map(({ event }) => event)

  it("keep their exclusions and their attribution when they move", () => {
    const moved = withMoved(question, 1, 0)
    expect(events(moved)).toEqual(["cart", "view", "buy"])
    expect(moved.attribution).toBe("step:1")
    expect(moved.exclude).toEqual([
      { event: "refund" },
      { event: "leave", after: [2] },
      { event: "return", after: [1] },
    ])
  })

  it("lose their window in the first place, where it means nothing", () => {
    expect(withMoved(question, 1, 0).steps[0]).toEqual({ event: "cart", where: "n > 1" })
    expect(withMoved(question, 2, 1).steps[1]).toEqual({ event: "buy", within: "2d" })
  })

  it("stay where they are at the ends", () => {
    expect(withMoved(question, 0, -1)).toBe(question)
    expect(withMoved(question, 2, 3)).toBe(question)
    expect(withMoved(question, 1, 1)).toBe(question)
  })

  it("take with them what is only about them", () => {
    const rest = without(question, 1)
    expect(events(rest)).toEqual(["view", "buy"])
    expect(rest.attribution).toBeUndefined()
    expect(rest.exclude).toEqual([{ event: "refund" }, { event: "leave", after: [1] }])
  })
})

describe("the range before", () => {
  it("is as long, in days of the calendar where both are", () => {
    expect(rangeBefore("2026-03-01T00:00:00+01:00", "2026-03-31T00:00:00+02:00")).toEqual({
      from: "2026-01-30",
      to: "2026-03-01",
    })
    expect(rangeBefore("2026-03-01T12:00:00Z", "2026-03-01T18:00:00Z")).toEqual({
      from: "2026-03-01T06:00:00.000Z",
      to: "2026-03-01T12:00:00Z",
    })
  })

  it("differs in points", () => {
    expect([points(0.028), points(-0.1), points(0)]).toEqual(["+2.8 points", "-10 points", "0 points"])
  })
})

describe("the legend of a drawing", () => {
  it("goes on in the next row where there is no room", () => {
    const { places, height } = legendOf(["free", "plus", "a much longer name than these"], 200)
    expect(places.map(({ y }) => y)).toEqual([0, 0, LEGEND_ROW])
    expect(places[1]?.x).toBeGreaterThan(places[0]?.x ?? 0)
    expect(height).toBe(2 * LEGEND_ROW)
    expect(legendOf([], 200)).toEqual({ places: [], height: 0 })
  })

  it("shortens a name that has no room", () => {
    expect(fitting("product_viewed", 400)).toBe("product_viewed")
    expect(fitting("product_viewed", 40)).toHaveLength(6)
    expect(fitting("product_viewed", 1)).toBe("p…")
  })
})

describe("a retention's answer", () => {
  const answer = saved<"retention">("retention")

  it("says of each cell whether it is over, may grow, or is to come", () => {
    const cell = { people: 0, share: 0, complete: false }
    const start = "2026-11-23T00:00:00+01:00"
    expect(stateOf({ ...cell, complete: true }, start, 3, "day", "2026-11-24T00:00:00Z")).toBe("complete")
    // The third day begins at midnight in the zone of the cohort, an hour before it does in UTC.
    expect(stateOf(cell, start, 3, "day", "2026-11-25T22:59:59Z")).toBe("future")
    expect(stateOf(cell, start, 3, "day", "2026-11-25T23:00:00Z")).toBe("open")
    expect(stateOf(cell, "2026-10-01T00:00:00Z", 1, "month", "2026-10-31T12:00:00Z")).toBe("future")
    expect(stateOf(cell, "2026-10-01T00:00:00Z", 1, "month", "2026-11-01T00:00:00Z")).toBe("open")
    // Elapsed time may begin before the calendar says so.
    expect(stateOf({ ...cell, people: 1 }, start, 3, "day", "2026-11-24T00:00:00Z")).toBe("open")
  })

  it("has no columns that are to come for all", () => {
    for (const group of answer.groups) {
      const columns = columnsOf(answer, group, "week")
      expect(columns.length).toBeGreaterThan(0)
      expect(columns.length).toBeLessThanOrEqual(answer.periods.length)
      for (const cohort of group.cohorts)
        for (const [at, cell] of cohort.cells.entries()) if (cell.people > 0) expect(columns).toContain(at)
    }
  })

  it("colours a cell the more, the more came back, and never so much that its text cannot be read", () => {
    expect([heat(null), heat(0), heat(0.5), heat(1)]).toEqual([0, 4, 25, 45])
  })

  it("names its periods and its people", () => {
    expect(periodName([1, 1], "week", false)).toBe("Week 1")
    expect(periodName([1, 1], "day", true)).toBe("Day 1+")
    expect(periodName([2, 7], "day", false)).toBe("Days 2 to 7")
    const cell = { kind: "retention", bucket: "2026-11-09T00:00:00+00:00", period: 1 } as const
    expect(titleOfRetention(cell, answer, "week")).toBe("Started in the week from 2026-11-09, back in week 1")
    expect(titleOfRetention({ kind: "retention" }, answer, "week")).toBe("Started")
  })
})

describe("a lifecycle's answer", () => {
  it("hangs those who are gone below the line, and does not know what it cannot", () => {
    const answer = saved<"lifecycle">("lifecycle")
    const series = seriesOf(answer)
    expect(series.map(({ id }) => id)).toEqual(["returning", "resurrecting", "new", "dormant"])
    for (const [at, row] of answer.rows.entries()) {
      expect(series[0]?.values[at]).toBe(row.returning)
      expect(series[3]?.values[at]).toBe(row.dormant === null ? null : -row.dormant)
    }
    const unknown = { new: 1, returning: null, resurrecting: null, dormant: null }
    expect(seriesOf({ ...answer, rows: [unknown] }).map(({ values }) => values)).toEqual([[null], [null], [1], [null]])
    expect(titleOfLifecycle({ kind: "lifecycle", bucket: "2026-11-09T00:00:00Z", number: "new" }, "week")).toBe(
      "New in the week from 2026-11-09",
    )
  })
})

describe("a stickiness", () => {
  it("says who is behind a number", () => {
    expect(titleOfStickiness({ kind: "stickiness" }, "day")).toBe("Active")
    expect(titleOfStickiness({ kind: "stickiness", buckets: 1, number: "exactly" }, "day")).toBe(
      "Active in exactly 1 day",
    )
    expect(titleOfStickiness({ kind: "stickiness", buckets: 3, number: "atLeast" }, "week")).toBe(
      "Active in at least 3 weeks",
    )
  })
})

describe("a question in an address that lacks something", () => {
  it("has the parts that it cannot do without", () => {
    const first: Question<"retention"> = {
      kind: "retention",
      last: "12w",
      start: { event: "*" },
      returns: { event: "*" },
    }
    expect(completed({ bucket: "week" }, first)).toEqual({
      kind: "retention",
      last: "12w",
      bucket: "week",
      start: { event: "*" },
      returns: { event: "*" },
    })
    expect(completed({ start: { event: "visit" } }, first).start).toEqual({ event: "visit" })
    expect(completed({ from: "2026-11-01" }, first).last).toBeUndefined()
    expect(completed({ last: "7d" }, { kind: "funnel", steps: [{ event: "" }] }).steps).toEqual([{ event: "" }])
  })
})

describe("an answer that is still of the question before", () => {
  it("keeps the names of its own question", () => {
    const asked: Question<"lifecycle"> = { kind: "lifecycle", bucket: "day" }
    const answer = {
      ...saved<"lifecycle">("lifecycle"),
      question: { kind: "lifecycle" as const, bucket: "week" as const, event: "*" },
    }
    expect(questionOf<"lifecycle">(answer, asked)).toEqual({ kind: "lifecycle", bucket: "week", event: "*" })
    expect(questionOf<"lifecycle">({ ...answer, question: null }, asked)).toBe(asked)
  })
})

describe("a drawing of paths", () => {
  const size = { columnWidth: 200, fullest: 300, nodeWidth: 10, gap: 20, least: 3 }

  it.each([
    ["paths", false],
    ["paths_to", true],
  ] as const)("of %s has its ribbons within their nodes, none over another", (name, backwards) => {
    const { links } = saved<"paths">(name)
    const drawn = sankeyOf(links, backwards, size)
    expect(drawn.ribbons).toHaveLength(links.filter(({ sessions }) => sessions > 0).length)
    for (const node of drawn.nodes) {
      for (const [end, y] of [
        ["source", "sourceY"],
        ["target", "targetY"],
      ] as const) {
        const own = drawn.ribbons.filter((ribbon) => ribbon[end] === node).sort((a, b) => a[y] - b[y])
        const edges = own.map((ribbon) => {
          const exact = (ribbon.link.sessions * size.fullest) / fullestOf(drawn.nodes)
          return [ribbon[y] - exact / 2, ribbon[y] + exact / 2] as const
        })
        for (const [at, [low, high]] of edges.entries()) {
          expect(low).toBeGreaterThanOrEqual((edges[at - 1]?.[1] ?? node.y) - 1e-6)
          expect(high).toBeLessThanOrEqual(node.y + node.height + 1e-6)
        }
      }
    }
  })

  function fullestOf(nodes: { column: number; sessions: number }[]): number {
    const sums = new Map<number, number>()
    for (const { column, sessions } of nodes) sums.set(column, (sums.get(column) ?? 0) + sessions)
    return Math.max(...sums.values())
  }

  it("reads from its end where it leads to one", () => {
    const drawn = sankeyOf(saved<"paths">("paths_to").links, true, size)
    const [first] = drawn.nodes.filter(({ label, column }) => label === "purchase" && column === 0)
    expect(first?.x).toBe((drawn.columns - 1) * size.columnWidth)
    for (const { source, target } of drawn.ribbons) expect(target.x).toBeLessThan(source.x)
  })

  it("draws nothing of nothing", () => {
    expect(sankeyOf([], false, size)).toMatchObject({ nodes: [], ribbons: [] })
    const [ribbon] = sankeyOf(saved<"paths">("paths").links, false, size).ribbons
    expect(ribbon && outline(ribbon, 10)).toMatch(/^M210,[^N]+Z$/)
  })

  it("says of a link from where to where", () => {
    const link = { step: 2, source: "cart", target: "purchase", sessions: 3, other: false }
    expect(linkName(link, false)).toBe("cart → purchase")
    expect(linkName(link, true)).toBe("purchase → cart")
    expect(linkName({ ...link, target: null }, false)).toBe("cart → the end of the session")
    expect(linkName({ ...link, target: null }, true)).toBe("the start of the session → cart")
    expect(titleOfPaths(cellOf(link), false)).toBe("Step 2: cart → purchase")
    expect(titleOfPaths(cellOf({ ...link, other: true }), false)).toBe("Step 2: all other links of this step")
    expect(titleOfPaths({ kind: "paths" }, false)).toBe("With any path")
  })

  it("reads labels as they are typed", () => {
    expect(listed(" page, screen ,, ")).toEqual(["page", "screen"])
    expect(listed(" , ")).toBeUndefined()
    expect([textOf(["a", "b"]), textOf(undefined)]).toEqual(["a, b", ""])
  })
})

describe("an experiment's answer", () => {
  const answer = saved<"experiment">("experiment")
  const mismatch = saved<"experiment">("mismatch")
  const [control, lower] = answer.metrics[0]?.variants ?? []
  if (!control || !lower) throw new Error("the answer has two variants")

  it("says first whether its split can be trusted", () => {
    expect(ratioVerdict(answer)).toMatchObject({ tone: "good", advice: "" })
    expect(ratioVerdict(answer).sentence).toMatch(/^The units are divided as the flag says: regular has /)
    expect(ratioVerdict(mismatch).tone).toBe("bad")
    expect(ratioVerdict(mismatch).sentence).toMatch(/^Sample-ratio mismatch: .* p < 0\.001\. Do not trust/)
    const few = { ...answer, sampleRatio: { ...answer.sampleRatio, p: null } }
    expect(ratioVerdict(few)).toMatchObject({ tone: "quiet" })
    expect(ratioVerdict(few).sentence).toContain("Too few units")
    expect(ratioVerdict({ ...answer, variants: [] }).sentence).toBe("No unit was exposed in this range.")
    expect(ratioVerdict({ ...answer, sampleRatio: { expected: {}, p: null, mismatch: false } }).sentence).toContain(
      "no ratio to check",
    )
  })

  it("claims no more than its intervals do", () => {
    const result = { ...lower, difference: 0.1, interval: [0.05, 0.15], alwaysValid: [0.01, 0.19] } as typeof lower
    const say = (given: Partial<typeof lower>) => resultSentence("conversion", { ...result, ...given }, "regular")
    expect(say({})).toBe("Higher than regular: +5 points to +15 points. It holds however often you look.")
    expect(say({ alwaysValid: [-0.01, 0.2] })).toContain("Only for one look at the planned end")
    expect(say({ interval: [-0.01, 0.2] })).toBe("No difference to regular is shown: -1 points to +20 points.")
    expect(say({ difference: -0.1, interval: [-0.15, -0.05], alwaysValid: null })).toMatch(/^Lower than regular.* Only/)
    expect(say({ difference: null, interval: null })).toBe("Nothing to compare with regular yet.")
    expect(say({ units: 0, open: 3 })).toBe("No unit's time is over yet.")
    expect(say({ units: 0, open: 0 })).toBe("No unit yet.")
  })

  it("draws zero and all intervals of a metric on one scale", () => {
    const span = spanOf([control, lower])
    expect(placeOf(span[0], span)).toBe(0)
    expect(placeOf(span[1], span)).toBe(100)
    for (const end of [0, ...(lower.interval ?? []), ...(lower.alwaysValid ?? [])]) {
      if (end === null) continue
      expect(placeOf(end, span)).toBeGreaterThan(0)
      expect(placeOf(end, span)).toBeLessThan(100)
    }
    expect(placeOf(0, spanOf([]))).toBe(50)
  })

  it("has no chance that is certain", () => {
    expect([chance(1), chance(0.9), chance(0), chance(null)]).toEqual(["> 99.9 %", "90 %", "< 0.1 %", "—"])
    expect([figureOf("conversion", 0.25), figureOf("sum", 12.3456), figureOf("sum", null)]).toEqual([
      "25 %",
      "12.35",
      "—",
    ])
    expect([differenceOf("conversion", 0.02), differenceOf("sum", -1.5)]).toEqual(["+2 points", "-1.5"])
    expect([relative(1, 4), relative(1, 0), relative(null, 4)]).toEqual(["+25 %", "", ""])
  })

  it("says who is behind a number", () => {
    const of = (cell: object) => titleOfExperiment({ kind: "experiment", variant: "lower", ...cell }, answer)
    expect(of({})).toBe("First exposed to lower")
    expect(of({ number: "crossovers" })).toBe("First lower, then another variant")
    expect(of({ number: "conversions", metric: 0 })).toBe(`lower, ${answer.metrics[0]?.name}: converted`)
  })

  it("is of flags that divide, and is at the address of its flag", () => {
    const flag = (rules: object[]) => ({ document: { rules } }) as unknown as Flag
    expect(divides(flag([{ split: { a: 50_000, b: 50_000 } }]))).toBe(true)
    expect(divides(flag([{ split: { a: 100_000 } }, { serve: "a" }]))).toBe(false)
    const question: Question<"experiment"> = { kind: "experiment", flag: "price_level", metrics: [] }
    expect(pathOf(question)).toBe("/experiments/price_level")
    expect(pathOf({ kind: "funnel" })).toBe("/insights/funnels")
    expect(pathOf({ kind: "adoption" })).toBeUndefined()
  })
})
