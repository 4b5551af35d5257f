/** Splits: weights in hundred-thousandths that always sum to the whole. */
import { entriesOf, namesOf, recordOf } from "../lib/json.ts"

export const WHOLE = 100_000

export type Split = Record<string, number>

/**
 * The split in which one variant has this weight and the others share the rest as they did.
 *
 * Laws: it sums to the whole. Weights are whole numbers and none is below 0. The variants and their order stay, since the
 * order says which buckets each has.
 */
export function weighted(split: Split, variant: string, weight: number): Split {
  const given = Math.min(WHOLE, Math.max(0, Math.round(weight)))
  const names = namesOf(split)
  const others = names.filter((name) => name !== variant)
  if (others.length === 0) return { [variant]: WHOLE }
  const shares = shared(
    others.map((name) => split[name] ?? 0),
    WHOLE - given,
  )
  return recordOf(names.map((name) => [name, name === variant ? given : (shares[others.indexOf(name)] ?? 0)]))
}

/** The same for every variant; the first get what does not divide. */
export function even(variants: readonly string[]): Split {
  const shares = shared(
    variants.map(() => 1),
    WHOLE,
  )
  return recordOf(variants.map((name, index) => [name, shares[index] ?? 0]))
}

/** The split with one variant more, which has nothing yet: no person moves by it. */
export function joined(split: Split, variant: string): Split {
  return recordOf([...entriesOf(split), [variant, 0]])
}

/** The split without a variant, whose share the others get. */
export function without(split: Split, variant: string): Split {
  const rest = entriesOf(weighted(split, variant, 0)).filter(([name]) => name !== variant)
  const [only] = rest
  return only && rest.length === 1 ? { [only[0]]: WHOLE } : recordOf(rest)
}

/** Whole numbers in proportion to the weights, alike if all are 0, that sum to the total. */
function shared(weights: number[], total: number): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0)
  const exact = weights.map((weight) => (sum === 0 ? total / weights.length : (total * weight) / sum))
  const found = exact.map(Math.floor)
  let left = total - found.reduce((all, share) => all + share, 0)
  // What is left goes to those that lost most by rounding.
  const order = exact.map((share, index) => [share - Math.floor(share), index] as const).sort((a, b) => b[0] - a[0])
  for (const [, index] of order) {
    if (left <= 0) break
    found[index] = (found[index] ?? 0) + 1
    left -= 1
  }
  return found
}
