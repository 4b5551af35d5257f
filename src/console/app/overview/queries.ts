import { useQuery } from "@tanstack/react-query"
import type {
  ActivePeople,
  Backfills,
  Events,
  Figures,
  FiguresHistory,
  Journey,
  RejectionCounts,
  Revisions,
  StaleFlags,
} from "../lib/api.ts"
import { address, ask, type Query } from "../lib/client.ts"
import { useMay } from "../lib/me.ts"

const OFTEN_MS = 5_000
/** How far back refusals are counted. */
export const HOURS = 24
export const HISTORY_HOURS = 6
const SELDOM_MS = 30_000
/** As far back as people count as active. */
export const SPANS = [1, 7, 30] as const

function useAsked<Answer>(path: string[], query: Query, everyMs: number, enabled = true) {
  return useQuery({
    queryKey: ["overview", path, query],
    queryFn: ({ signal }) => ask<Answer>(address(path, query), { signal }),
    refetchInterval: everyMs,
    enabled,
  })
}

export const useFigures = () => useAsked<Figures>(["admin", "metrics"], {}, OFTEN_MS, useMay("admin"))
export const useNewest = () => useAsked<Journey>(["events", "recent"], { limit: 1 }, SELDOM_MS)
export const useBusiest = () => useAsked<Events>(["registry", "events"], {}, SELDOM_MS)
export const useBackfills = () => useAsked<Backfills>(["admin", "backfills"], { limit: 20 }, OFTEN_MS)
export const useStaleFlags = () => useAsked<StaleFlags>(["admin", "stale-flags"], {}, SELDOM_MS)
export const useRevisions = () => useAsked<Revisions>(["admin", "revisions"], { limit: 20 }, SELDOM_MS)
export const useRefused = () =>
  useAsked<RejectionCounts>(["admin", "rejections", "counts"], { hours: HOURS }, SELDOM_MS, useMay("admin"))
export const useActive = (days: number) => useAsked<ActivePeople>(["active"], { days }, SELDOM_MS)
export const useHistory = () =>
  useAsked<FiguresHistory>(["admin", "metrics", "history"], { minutes: 60 * HISTORY_HOURS }, SELDOM_MS)
