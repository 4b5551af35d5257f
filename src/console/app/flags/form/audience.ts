/** How many people the conditions of rules hold for, one by one: a preview of segments that are never saved. */
import { keepPreviousData, useQuery } from "@tanstack/react-query"
import type { Preview, RuleBody } from "../../lib/api.ts"
import { address, ask, RequestFailed } from "../../lib/client.ts"
import { useRested } from "../../lib/rested.ts"
import { useSession } from "../../lib/session.ts"

const REST_MS = 800
const TRIES = 20
const WAIT_MS = 2000

export interface Audience {
  people: number
  /** Not all people were looked at. */
  estimated: boolean
}

/** What a segment cannot read: the caller's context, and other flags. Its people cannot be counted. */
const UNCOUNTABLE = /\bcontext\.|\bflag\(/

export function isCountable(rule: RuleBody): boolean {
  return rule.when.trim() !== "" && !UNCOUNTABLE.test(rule.when)
}

/** For each rule, those for whom its condition holds; nothing while that is not known. */
export function useAudiences(rules: readonly RuleBody[], valid: boolean): (Audience | undefined)[] {
  const { key } = useSession()
  const rested = useRested(JSON.stringify([...new Set(rules.filter(isCountable).map(({ when }) => when))]), REST_MS)
  const conditions = JSON.parse(rested) as string[]
  const answer = useQuery({
    queryKey: ["audiences", conditions],
    queryFn: async ({ signal }) => {
      const changes = conditions.map((rule, index) => ({ kind: "segment", key: nameOf(index), document: { rule } }))
      const body = { changes, examples: 0 }
      const found = await ask<Preview>(address(["admin", "preview"]), { method: "POST", body, signal })
      return new Map(
        conditions.map((rule, index): [string, Audience] => {
          const one = found.segments.find((segment) => segment.key === nameOf(index))
          return [rule, { people: (one?.estimate ?? one?.counts)?.members ?? 0, estimated: found.sampled }]
        }),
      )
    },
    placeholderData: keepPreviousData,
    enabled: key !== "" && valid && conditions.length > 0,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    retry: (tries, problem) => problem instanceof RequestFailed && problem.status === 429 && tries < TRIES,
    retryDelay: (_, problem) => (problem instanceof RequestFailed && problem.retryAfterMs) || WAIT_MS,
  })
  return rules.map(({ when }) => answer.data?.get(when))
}

function nameOf(index: number): string {
  return `console_counts_rule_${index + 1}`
}
