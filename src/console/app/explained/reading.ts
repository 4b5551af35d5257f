/** How the evaluator's own tree is read: what a row says, and what need not be said. */
import type { ExpressionNode } from "../lib/api.ts"

export type Truth = "yes" | "no" | "unknown"

/** One row of a tree. */
export interface Row {
  /** What is asked: the source, or how the parts below are joined. */
  source: string
  joins: "all" | "any" | null
  /** Of a question with yes or no; null for a value. */
  truth: Truth | null
  value: unknown
  /** What the compared part is now: `count is 1` beside `count >= 2`. */
  is: unknown
  decides: boolean
  /** It had no say: another part decides. */
  idle: boolean
  node: ExpressionNode
  parts: Row[]
}

export function truthOf(value: unknown): Truth {
  return value === true ? "yes" : value === false ? "no" : "unknown"
}

/**
 * The rows of a tree.
 *
 * Laws: literals are no rows, since a row's text has them. A chain of the same `&&` or `||` is one list. What is unknown
 * is never `no`.
 */
export function rowOf(node: ExpressionNode): Row {
  const joins = joinOf(node)
  const parts = (node.parts ?? []).flatMap((part) => (joins && joinOf(part) === joins ? chain(part, joins) : [part]))
  const told = parts.filter((part) => part.kind !== "literal")
  // `count >= 2` has one part to tell, whose value stands beside it; what that part is made of follows.
  const [only] = told
  const single =
    joins === null && told.length === 1 && only !== undefined && node.type === "bool" && only.type !== "bool"
  return {
    source: node.text,
    joins,
    truth: node.type === "bool" ? truthOf(node.value) : null,
    value: node.value,
    is: single ? only.value : undefined,
    decides: node.decides === true,
    idle: node.decides === false,
    node:
      single && node.window === undefined ? { ...node, window: only.window, inside: only.inside ?? node.inside } : node,
    parts: (single ? (only.parts ?? []).filter((part) => part.kind !== "literal") : told).map(rowOf),
  }
}

function chain(node: ExpressionNode, joins: "all" | "any"): ExpressionNode[] {
  return (node.parts ?? []).flatMap((part) =>
    joinOf(part) === joins
      ? chain(part, joins)
      : // A part of a part that had no say had none either.
        [node.decides === false ? { ...part, decides: false } : part],
  )
}

/** Whether all or any of a node's parts have to hold; positions count code points. */
function joinOf(node: ExpressionNode): "all" | "any" | null {
  if (node.kind !== "logic") return null
  const [first, second] = node.parts ?? []
  if (!first || !second) return null
  const between = [...node.text].slice(first.end - node.start, second.start - node.start).join("")
  return between.includes("||") ? "any" : between.includes("&&") ? "all" : null
}

/** The bucket of a person on a scale of 0 to 100. */
export function place(bucket: number): number {
  return bucket / 1000
}
