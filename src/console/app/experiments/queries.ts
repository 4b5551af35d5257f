import type { UseQueryResult } from "@tanstack/react-query"
import { useDefinitions } from "../definitions/queries.ts"
import { type SavedMetric, useSavedMetrics } from "../insights/saved/queries.ts"
import type { Flag } from "../lib/api.ts"

/** All flags, with their rules. */
export function useFlags() {
  return useDefinitions("flags") as UseQueryResult<Flag[]>
}

/** Saved metrics that an experiment can read; undefined until they are known. */
export function useMetrics(): SavedMetric[] | undefined {
  return useSavedMetrics()?.filter(({ document }) =>
    ["conversion", "people", "count", "sum", undefined].includes(document.measure as string | undefined),
  )
}
