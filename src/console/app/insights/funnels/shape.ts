/** A funnel's answer, turned into what the page draws. */
import type { FunnelAnswer, FunnelGroup, FunnelTrend, HistogramBin } from "../../lib/api.ts"
import { duration } from "../figures.ts"
import type { Cell, Question } from "../query/question.ts"
import { groupName } from "../rates.ts"

export type Funnel = Question<"funnel">

const STATUS_WORDS = {
  reached: "Reached",
  in_progress: "Still in progress after",
  excluded: "Excluded after",
  dropped: "Dropped after",
}

/** Of the whole funnel, whichever step people got to. */
const WHOLE_WORDS = {
  reached: "Began",
  converted: "Converted",
  in_progress: "Still in progress",
  excluded: "Excluded",
  dropped: "Dropped",
}

/** Who is behind a number of a funnel: Dropped after 2 cart (pro), or without a step Converted, 1 min to 5 min. */
export function titleOf(cell: Cell<"funnel">, answer: FunnelAnswer): string {
  const { step, status = "reached", leastMs } = cell
  const name = answer.groups[0]?.steps[(step ?? 1) - 1]?.name ?? ""
  const words = step && status !== "converted" ? `${STATUS_WORDS[status]} ${step} ${name}` : WHOLE_WORDS[status]
  const group = answer.groups.find((one) => groupName(one.group) === groupName(cell.group ?? null))
  const bin = group?.times?.find((one) => one.leastMs === leastMs)
  const took = bin ? `, ${binName(bin)}` : ""
  const whom = cell.group ? ` (${groupName(cell.group)})` : ""
  const when = cell.bucket ? `, entered from ${cell.bucket.slice(0, 10)}` : ""
  return `${words}${took}${whom}${when}`
}

/** One bar: shares of the people of the first step, which do not add up to one where people left earlier. */
export interface Bar {
  /** Got here. */
  reached: number
  /** At the step before, and may still come here. */
  open: number
  /** Ended at the step before. */
  lost: number
}

export function barsOf(group: FunnelGroup): Bar[] {
  const of = (n: number) => (group.reached ? n / group.reached : 0)
  return group.steps.map((step, at) => {
    const before = group.steps[at - 1]
    if (!before) return { reached: of(step.reached), open: 0, lost: 0 }
    return { reached: of(step.reached), open: of(before.inProgress), lost: of(before.dropped + before.excluded) }
  })
}

/** The same group of another answer. */
export function sameGroup(group: FunnelGroup, groups: FunnelGroup[] | undefined): FunnelGroup | undefined {
  return groups?.find((other) => groupName(other.group) === groupName(group.group))
}

/** The time of a bin in words: 1 min to 5 min. */
export function binName({ leastMs, belowMs }: HistogramBin): string {
  return leastMs === 0 ? `under ${duration(belowMs)}` : `${duration(leastMs)} to ${duration(belowMs)}`
}

export interface Conversion {
  start: string
  /** Unknown without people who entered. */
  rate: number | null
  /** It cannot change any more. */
  final: boolean
}

/** The conversion of each bucket of entry, for one group. It is final once the bucket is over and all have come or left. */
export function conversionsOf(trend: FunnelTrend[], group: FunnelGroup): Conversion[] {
  return trend.map(({ bucket, groups }) => {
    const one = sameGroup(group, groups)
    return {
      start: bucket.start,
      rate: one?.reached ? one.rate : null,
      final: bucket.complete && (one?.inProgress ?? 0) === 0,
    }
  })
}

/**
 * The question with a step at another place.
 *
 * Laws: exclusions and the attribution stay with the steps that they name. The first step has none before it, so it
 *       loses its own window.
 */
export function withMoved(question: Funnel, from: number, to: number): Funnel {
  const order = question.steps.map((_, at) => at)
  if (from === to || from < 0 || from >= order.length || to < 0 || to >= order.length) return question
  order.splice(to, 0, ...order.splice(from, 1))
  return inOrder(question, order)
}

/** The question without a step. What is excluded only after that one goes with it. */
export function without(question: Funnel, step: number): Funnel {
  const order = question.steps.map((_, at) => at).filter((at) => at !== step)
  return inOrder(question, order)
}

function inOrder(question: Funnel, order: number[]): Funnel {
  const placeOf = (step: number) => order.indexOf(step - 1) + 1
  const steps = order.flatMap((at, place) => {
    const { within, ...step } = question.steps[at] ?? { event: "" }
    return [place === 0 ? step : { ...step, within }]
  })
  const exclude = question.exclude?.flatMap((one) => {
    if (!one.after?.length) return [one]
    const after = one.after.map(placeOf).filter((place) => place > 0 && place < steps.length)
    return after.length ? [{ ...one, after: after.sort((a, b) => a - b) }] : []
  })
  const named = /^step:(\d+)$/.exec(question.attribution ?? "")?.[1]
  const place = named ? placeOf(Number(named)) : 0
  const attribution = named ? (place ? `step:${place}` : undefined) : question.attribution
  return { ...question, steps, exclude, attribution }
}
