/** Rates, differences and ranges of answers, as a person reads them. */
import { type Group, nameOfGroup } from "./query/question.ts"

const signed = new Intl.NumberFormat("en", { maximumFractionDigits: 1, signDisplay: "exceptZero" })

/** A difference of two shares, in points: +2.8 points. */
export function points(difference: number): string {
  return `${signed.format(difference * 100)} points`
}

/** A probability of a test: 0.042, or < 0.001. */
export function probability(p: number | null): string {
  if (p === null) return "—"
  return p < 0.001 ? "< 0.001" : p.toFixed(3)
}

/** What a group is called, also where there is but one. */
export function groupName(group: Partial<Group> | null): string {
  return group === null ? "Everyone" : nameOfGroup({ kind: "value", ...group })
}

const ONE_DAY = /^(\d{4}-\d\d-\d\d)T00:00:00(?:\.0+)?(?:Z|[+-]\d\d:?\d\d)$/

/** The range of the same length just before [from, to): in local dates if both are, since a day may have 23 hours. */
export function rangeBefore(from: string, to: string): { from: string; to: string } {
  const [first, last] = [ONE_DAY.exec(from)?.[1], ONE_DAY.exec(to)?.[1]]
  if (first && last) {
    const length = Date.parse(last) - Date.parse(first)
    return { from: new Date(Date.parse(first) - length).toISOString().slice(0, 10), to: first }
  }
  const length = Date.parse(to) - Date.parse(from)
  return { from: new Date(Date.parse(from) - length).toISOString(), to: from }
}
