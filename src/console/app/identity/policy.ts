/** The values that the policy of identity blocks. */
import type { BlockedValues } from "../lib/api.ts"
import type { Identifier, LivePolicy } from "./queries.ts"

type Document = LivePolicy["document"]

export interface BlockedRow extends Identifier {
  messages: number
  lastAt: string | null
  /** It can be unblocked. Others identify no person in any environment, or were unblocked since they arrived. */
  byPolicy: boolean
}

/** Blocked values by how often they arrived; those of the policy that never did are last. */
export function blockedRows({ kinds }: Document, arrived: BlockedValues["blocked"]): BlockedRow[] {
  const named = kinds.flatMap(({ kind, blocked = [] }) => blocked.map((value) => ({ kind, value })))
  const rows = arrived.map(({ kind, value, messages, lastAt }) => ({
    kind,
    value,
    messages,
    lastAt,
    byPolicy: named.some((one) => isSame(one, { kind, value })),
  }))
  const silent = named.filter((one) => !arrived.some((other) => isSame(one, other)))
  return [...rows, ...silent.map((one) => ({ ...one, messages: 0, lastAt: null, byPolicy: true }))]
}

export function withBlocked(document: Document, of: Identifier): Document {
  return changed(document, of, (blocked) => [...blocked, of.value])
}

export function withoutBlocked(document: Document, of: Identifier): Document {
  return changed(document, of, (blocked) => blocked.filter((value) => !isSame({ ...of, value }, of)))
}

function changed(document: Document, of: Identifier, change: (blocked: string[]) => string[]): Document {
  const kinds = document.kinds.map((one) =>
    one.kind === of.kind ? { ...one, blocked: change(one.blocked ?? []) } : one,
  )
  return { ...document, kinds }
}

/** The server compares without case and without the space around. */
function isSame(one: Identifier, other: Identifier): boolean {
  return one.kind === other.kind && one.value.trim().toLowerCase() === other.value.trim().toLowerCase()
}
