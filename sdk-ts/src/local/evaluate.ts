import { bucket } from "./bucket"
import type { AskServer, Clause, FlagNotFound, Json, LocalDecision, LocalFlag, Snapshot, Tree } from "./snapshot"
import { billionths, bounded, floored, instant, isArray, plain, read, rounded, SCALE, version } from "./values"

/** A value, unknown as null, and the first instant at which it may change by itself. */
type Result = [value: unknown, until: number]
type Node = readonly [name: string, ...operands: unknown[]]
type Clock = [
  t: bigint | null,
  until: number,
  units: bigint,
  scale: bigint,
  falls: bigint,
  at: (units: bigint) => number,
]
/** A flag's answer while it is decided. */
interface Served {
  variant: string
  reason: string
  until: number
  rule?: string
  unitMissing?: true
}

/** Later than any clock: no change is due. */
const NEVER = 2 ** 62
const LOOK_AHEAD = 256
const LOOK_AHEAD_TOGETHER = 1024

/** Throws what is answered where only the server can decide. */
const ask = (why: string): never => {
  throw { ask: why } satisfies AskServer
}

/** The first of these that has not ended, and its end. */
const current = <T>(listed: readonly (readonly [T, number | null])[], now: number): [T, number] => {
  for (const [one, until] of listed) if (until === null || now < until) return [one, until ?? NEVER]
  return ask("ended")
}

/** Nodes whose value is unknown if an operand is; a literal's operand is its text. */
// biome-ignore lint/suspicious/noExplicitAny: the server has checked the types
const STRICT: Record<string, (a: any, b: any, ...more: any[]) => unknown> = {
  number: billionths,
  ms: BigInt,
  version,
  json: (a) => a,
  not: (a) => !a,
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  same: (a, b) => (kind(a) === kind(b) ? a === b : null),
  in: (a, ...options) => options.includes(a),
  "+": (a, b) => bounded(a + b),
  "-": (a: bigint, b) => bounded(a - b),
  "*": (a: bigint, b) => rounded(a * b, SCALE),
  "/": (a: bigint, b) => (b ? rounded(a * SCALE, b) : null),
  neg: (a) => -a,
  abs: (a) => (a < 0n ? -a : a),
  round: (a) => bounded((rounded(a, SCALE) as bigint) * SCALE),
  // biome-ignore-start lint/complexity/useMathMinMax: of whole numbers without a limit, and of texts
  min: (a, b) => (b < a ? b : a),
  max: (a, b) => (b > a ? b : a),
  // biome-ignore-end lint/complexity/useMathMinMax: as above
  units: (a, unit) => floored(a, BigInt(unit)) * SCALE,
  lower: (a) => a.replace(/[A-Z]/g, (found: string) => found.toLowerCase()),
  upper: (a) => a.replace(/[a-z]/g, (found: string) => found.toUpperCase()),
  starts_with: (a, b) => a.startsWith(b),
  ends_with: (a, b) => a.endsWith(b),
  contains: (a, b) => a.includes(b),
  len: (a) => BigInt([...a].length) * SCALE,
  semver: version,
  datetime: instant,
}

/** Nodes whose until is when the truth changes, not when something inside them does. */
const SETTLED = /[!<=>]|^(same|in|between|exists|.+_with|contains|if|else)$/

/** The JSON type of a canonical text. */
const kind = (text: string): string => typeof JSON.parse(text) + (text[0] === "[")

const isNode = isArray as unknown as (tree: unknown) => tree is Node
const isClock = (tree: unknown): tree is Node => isNode(tree) && /^(ago|until)$/.test(tree[0])

/**
 * Decides a flag of a snapshot, as the server would.
 *
 * @param snapshot what `POST /v1/snapshot` answered
 * @param key the flag
 * @param context what rules read as `context.…`
 * @param now milliseconds since 1970 by the server's clock: `snapshot.asOf` and what has passed since it arrived
 * @param unit what rollouts divide, if the snapshot has none: the identifier of a visitor without a profile
 * @returns the decision; `{ ask }` if only the server can decide; `{ error }` if there is no such flag
 */
export function evaluate(
  snapshot: Snapshot,
  key: string,
  context: object,
  now: number,
  unit: string | null = snapshot.unit,
): LocalDecision | AskServer | FlagNotFound {
  const sent = plain(context)
  const decided: Record<string, Served> = {}
  /** How many steps the look-aheads have left together; undefined outside of one. */
  let ahead: number | undefined

  const decide = (key: string, now: number): Served => {
    // biome-ignore lint/suspicious/noAssignInExpressions: a cache, since flags may share others
    return (decided[now + key] ??= serve(key, now))
  }

  const serve = (key: string, now: number): Served => {
    const flag = snapshot.flags[key] as LocalFlag
    if (flag.ask) ask(flag.ask)
    if (flag.steps) {
      const [step, until] = current(
        flag.steps.map((step) => [step, step.until]),
        now,
      )
      return { ...step, until }
    }
    let [missing, until] = current([[false, flag.until as number | null]], now)
    for (const { when = true, buckets = [], serve, split, ...more } of flag.clauses as Clause[]) {
      const [truth, holds] = run(when, now)
      until = Math.min(until, holds)
      if (truth !== true) continue
      let variant = serve
      if (split || buckets[0]) {
        if (unit === null) {
          missing = true
          continue
        }
        const isOutside = buckets.some(([salt, purpose, from, to]) => {
          const at = bucket(salt, purpose, unit)
          return at < from || at >= to
        })
        if (isOutside) continue
        if (split) {
          let left = bucket(split[0], "split", unit)
          // biome-ignore lint/suspicious/noAssignInExpressions: what is left of the bucket
          variant = split[1].find(([, weight]) => (left -= weight) < 0)?.[0]
        }
      }
      const unitMissing = missing && more.reason === "DEFAULT" && { unitMissing: true as const }
      return { ...more, ...unitMissing, variant: variant as string, until }
    }
    return ask("ended")
  }

  const run = (node: unknown, now: number): Result => {
    if (!isNode(node)) return [node, NEVER]
    const direct = compare(node, now)
    if (direct) return direct
    let [value, until] = visit(node, now)
    if (SETTLED.test(node[0]) && (value === null || value === !!value)) {
      const outer = ahead
      ahead ??= LOOK_AHEAD_TOGETHER
      try {
        for (let n = LOOK_AHEAD; n-- && until < NEVER && ahead-- > 0; ) {
          const [then, later] = visit(node, until)
          if (then !== value) break
          until = later
        }
      } catch {
        // A value that is not known any more ends the look-ahead.
      }
      if (outer === undefined) ahead = outer
    }
    return [value, until]
  }

  /** The same without looking ahead. */
  const visit = (node: Node, now: number): Result => {
    const [name, ...operands] = node
    const [a, b, c] = operands
    if (name === "context") return [read(sent, operands as string[]), NEVER]
    if (name === "known") {
      const [value, until] = current(operands as [Tree, number | null][], now)
      return [run(value, now)[0], until]
    }
    if (name === "flag") {
      const { variant, until } = decide(a as string, now)
      return [run((b as Record<string, Tree>)[variant] ?? null, now)[0], until]
    }
    if (name === "and" || name === "or") return join(operands, name === "or", now)
    if (name === "between")
      return join(
        [
          [">=", a, b],
          ["<=", a, c],
        ],
        false,
        now,
      )
    if (isClock(node)) {
      const [t, until, units, scale, falls, at] = clock(node, now)
      return t === null ? [t, until] : [units * scale, Math.min(until, at(units + 1n - falls))]
    }
    const [value, until] = run(a, now)
    if (name === "exists") return [value !== null, until]
    if (name === "if" || name === "else") {
      const isElse = name === "else"
      if ((value === null) !== isElse) return [value, until]
      const [other, holds] = run(isElse || value ? b : c, now)
      return [other, Math.min(until, holds)]
    }
    const strict = STRICT[name] ?? ask(name)
    const results = operands.map((operand) => run(operand, now))
    const values = results.map(([value]) => value) as [unknown, unknown]
    return [values.includes(null) ? null : strict(...values), Math.min(...results.map(([, until]) => until))]
  }

  /** `||` if decisive is true, `&&` if it is false. */
  const join = (operands: readonly unknown[], decisive: boolean, now: number): Result => {
    let value: boolean | null = !decisive
    let until = NEVER
    let decides = 0
    for (const operand of operands) {
      const [truth, holds] = run(operand, now)
      if (truth === decisive) decides = Math.max(decides, holds)
      if (truth === null) value = truth
      if (decides >= NEVER) break
      until = Math.min(until, holds)
    }
    return decides ? [decisive, decides] : [value, until]
  }

  /** The instant of a clock node, its until, how many units have passed or are left, and the scale of their number. */
  const clock = ([name, operand, width]: Node, now: number): Clock => {
    const [t, until] = run(operand, now) as [bigint | null, number]
    const start = t ?? 0n
    const unit = BigInt((width ?? 1) as number)
    const falls = name === "ago" ? 0n : 1n
    const span = BigInt(now) - start
    /** When so many units have passed, or less than so many are left. */
    const at = (units: bigint): number => Number(falls ? start - units * unit + 1n : start + units * unit)
    return [t, until, floored(falls ? -span : span, unit), width ? SCALE : 1n, falls, at]
  }

  /** A comparison of the clock with what never changes, with the instant of its next change. */
  const compare = ([name, a, b]: Node, now: number): Result | undefined => {
    const node = isClock(a) ? a : b
    if (!/^[!<=>]/.test(name) || !isClock(node)) return undefined
    const [constant, holds] = run(node === a ? b : a, now) as [bigint | null, number]
    if (holds < NEVER) return undefined
    const [t, until, units, scale, falls, at] = clock(node, now)
    if (t === null || constant === null) return [null, until]
    const test = STRICT[name] as (a: bigint, b: bigint) => boolean
    const truth = (units: bigint) => (node === a ? test(units * scale, constant) : test(constant, units * scale))
    const value = truth(units)
    // The truth can change where the constant is reached, and where it is passed.
    const changes = [-floored(-constant, scale), floored(constant, scale) + 1n]
      .filter((units) => truth(units - falls) !== value)
      .map(at)
    return [value, Math.min(until, ...changes.filter((at) => at > now))]
  }

  if (!Object.hasOwn(snapshot.flags, key)) return { error: "FLAG_NOT_FOUND" }
  try {
    if (snapshot.format !== 1) ask("format")
    const { until, ...served } = decide(key, Math.max(Math.floor(now), snapshot.asOf))
    return {
      ...served,
      value: ((snapshot.flags[key] as LocalFlag).variants as { [variant: string]: Json })[served.variant] as Json,
      validUntil: until < NEVER ? until : null,
      ...(snapshot.stale && { reason: "STALE" }),
    }
  } catch (error) {
    if ((error as AskServer).ask) return error as AskServer
    throw error
  }
}
