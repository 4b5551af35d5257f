/** An experiment's answer in words, and as what the page draws. */

import { percent } from "../insights/figures.ts"
import type { Cell } from "../insights/query/question.ts"
import { points, probability } from "../insights/rates.ts"
import type { ExperimentAnswer, Flag, VariantResult } from "../lib/api.ts"
import { exactCount, plural } from "../lib/format.ts"

/** The server checks a split from so many units on. */
const LEAST_UNITS = 100

export interface Verdict {
  tone: "good" | "bad" | "quiet"
  sentence: string
  /** What to look at. */
  advice: string
}

/** Whether the split can be believed: what a reader needs before any result. */
export function ratioVerdict(answer: ExperimentAnswer): Verdict {
  const { sampleRatio, variants } = answer
  const expected = Object.entries(sampleRatio.expected)
  const units = variants.reduce((total, one) => total + one.units, 0)
  if (units === 0) return { tone: "quiet", sentence: "No unit was exposed in this range.", advice: "" }
  if (expected.length === 0) {
    const sentence = "No unit was divided by a split of this flag, so there is no ratio to check."
    return { tone: "quiet", sentence, advice: "Variants that a condition gives to some people are not comparable." }
  }
  const shares = expected
    .map(([variant, share]) => {
      const found = variants.find((one) => one.variant === variant)?.units ?? 0
      return `${variant} has ${exactCount(found)} (${percent(found / units)}, expected ${percent(share)})`
    })
    .join(", ")
  if (sampleRatio.p === null) {
    const sentence = `Too few units to check the split: ${plural(units, "unit")}, and ${LEAST_UNITS} are needed. ${shares}.`
    return { tone: "quiet", sentence, advice: "" }
  }
  const p = `p ${sampleRatio.p < 0.001 ? "" : "= "}${probability(sampleRatio.p)}`
  if (!sampleRatio.mismatch) {
    return { tone: "good", sentence: `The units are divided as the flag says: ${shares}; ${p}.`, advice: "" }
  }
  return {
    tone: "bad",
    sentence: `Sample-ratio mismatch: ${shares}; ${p}. Do not trust the results below until the cause is found.`,
    advice:
      "Look for a variant that fails before it reports its exposure, a redirect that loses people, robots that only one " +
      "variant attracts, or an application that asks for the flag only where one variant applies.",
  }
}

/** A chance is never certain. */
export function chance(share: number | null): string {
  if (share === null) return "—"
  if (share > 0.999) return "> 99.9 %"
  return share < 0.001 ? "< 0.1 %" : percent(share)
}

const numbers = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 })
const signed = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, signDisplay: "exceptZero" })

export function figureOf(measure: string, value: number | null): string {
  if (value === null) return "—"
  return measure === "conversion" ? percent(value) : numbers.format(value)
}

export function differenceOf(measure: string, difference: number): string {
  return measure === "conversion" ? points(difference) : signed.format(difference)
}

/** The difference in percent of the control's value. */
export function relative(difference: number | null, control: number | null): string {
  if (difference === null || !control) return ""
  return `${new Intl.NumberFormat("en", { maximumFractionDigits: 1, signDisplay: "exceptZero" }).format((difference / control) * 100)} %`
}

type Interval = readonly [number | null, number | null] | null

function excludesZero(interval: Interval): boolean {
  return interval?.[0] != null && interval[1] != null && (interval[0] > 0 || interval[1] < 0)
}

/** What one variant's result says about the control. */
export function resultSentence(measure: string, result: VariantResult, control: string): string {
  const { difference, interval, alwaysValid } = result
  if (result.units === 0) return result.open ? "No unit's time is over yet." : "No unit yet."
  if (difference === null || interval?.[0] == null || interval[1] == null)
    return `Nothing to compare with ${control} yet.`
  const span = `${differenceOf(measure, interval[0])} to ${differenceOf(measure, interval[1])}`
  if (!excludesZero(interval)) return `No difference to ${control} is shown: ${span}.`
  const way = difference > 0 ? "Higher" : "Lower"
  const often = excludesZero(alwaysValid)
    ? "It holds however often you look."
    : "Only for one look at the planned end: the interval for repeated looks includes no difference."
  return `${way} than ${control}: ${span}. ${often}`
}

/** A scale that holds zero and every interval of a metric, with room at both ends. */
export function spanOf(results: VariantResult[]): [number, number] {
  const ends = results.flatMap(({ interval, alwaysValid, difference }) =>
    [...(interval ?? []), ...(alwaysValid ?? []), difference].filter((n): n is number => n !== null),
  )
  const low = Math.min(0, ...ends)
  const high = Math.max(0, ...ends)
  const room = (high - low || 1) * 0.06
  return [low - room, high + room]
}

/** Where a number stands on the scale, in percent. */
export function placeOf(n: number, [low, high]: readonly [number, number]): number {
  return ((n - low) / (high - low)) * 100
}

/** Who is behind a number of an experiment. */
export function titleOf(cell: Cell<"experiment">, answer: ExperimentAnswer): string {
  const { variant, number = "units", metric } = cell
  if (metric === undefined || metric === null) {
    return number === "crossovers" ? `First ${variant}, then another variant` : `First exposed to ${variant}`
  }
  const name = answer.metrics[metric]?.name ?? ""
  const words = {
    units: "time is over",
    open: "time is not over",
    conversions: "converted",
    crossovers: "crossed over",
  }
  return `${variant}, ${name}: ${words[number]}`
}

/** Whether a flag divides its units between variants by lot. */
export function divides(flag: Flag): boolean {
  return (flag.document.rules ?? []).some(({ split }) => split && Object.keys(split).length > 1)
}
