import { type UseQueryResult, useQuery } from "@tanstack/react-query"
import { useDefinitions } from "../definitions/queries.ts"
import type { Flag } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useSession } from "../lib/session.ts"

const STALE_MS = 60_000

/** All flags, with their rules. */
export function useFlags() {
  return useDefinitions("flags") as UseQueryResult<Flag[]>
}

interface Metric {
  key: string
  name: string
  document: { measure?: unknown }
}

/** Keys and names of saved metrics that an experiment can read; undefined until they are known. */
export function useMetrics(): Metric[] | undefined {
  const { key } = useSession()
  const answer = useQuery({
    queryKey: ["saved", "metrics"],
    queryFn: async ({ signal }) =>
      (await ask<{ metrics: Metric[] }>(address(["analytics", "metrics"]), { signal })).metrics,
    enabled: key !== "",
    staleTime: STALE_MS,
  })
  if (answer.error && !answer.data) return []
  return answer.data?.filter(({ document }) =>
    ["conversion", "people", "count", "sum", undefined].includes(document.measure as string | undefined),
  )
}
