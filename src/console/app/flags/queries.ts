import { keepPreviousData, useQuery } from "@tanstack/react-query"
import type { NamedBy } from "../explained/asking.tsx"
import type { Explained, FlagBody, FlagExposures, Kills } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { written } from "../lib/json.ts"
import { useSession } from "../lib/session.ts"
import { untilNext } from "../lib/until.ts"

/** For whom, with what and when a flag is asked. */
export interface Question {
  flag: string
  person: string
  by: NamedBy
  context: Record<string, unknown>
  /** An instant; now if left out. */
  at?: string
  /** Instead of what is live. */
  draft?: FlagBody
}

/** What a person gets, and the evaluator's own account of it. It is asked for again when its time has come. */
export function useSimulation({ flag, person, by, context, at, draft }: Question) {
  const { key } = useSession()
  const body = { kind: "flag", key: flag, [by]: person, context, at, document: draft }
  return useQuery({
    queryKey: ["simulate", written(body)],
    queryFn: ({ signal }) => ask<Explained>(address(["admin", "explain"]), { method: "POST", body, signal }),
    enabled: key !== "" && person !== "",
    placeholderData: keepPreviousData,
    refetchInterval: (query) => (at ? false : untilNext([query.state.data?.flag?.until ?? null])),
  })
}

export function useKills(flag: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["definitions", "flags", flag, "kills"],
    queryFn: ({ signal }) => ask<Kills>(address(["admin", "flags", flag, "kills"], { limit: 10 }), { signal }),
    enabled: key !== "",
  })
}

/** Who got which variant in the last 30 days; nothing is asked until it is wanted. */
export function useExposures(flag: string, wanted = true) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["definitions", "flags", flag, "exposures"],
    queryFn: ({ signal }) => ask<FlagExposures>(address(["admin", "flags", flag, "exposures"]), { signal }),
    enabled: key !== "" && wanted,
  })
}
