/** What questions can be about: the events and properties that arrived, and what was saved. */
import { useQuery } from "@tanstack/react-query"
import type { Events, Names } from "../../lib/api.ts"
import { address, ask } from "../../lib/client.ts"
import { useSession } from "../../lib/session.ts"

const STALE_MS = 60_000

export function useEvents() {
  const { key } = useSession()
  return useQuery({
    queryKey: ["registry", "events"],
    queryFn: ({ signal }) => ask<Events>(address(["registry", "events"]), { signal }),
    enabled: key !== "",
    staleTime: STALE_MS,
  })
}

export function useNames() {
  const { key } = useSession()
  return useQuery({
    queryKey: ["registry", "names"],
    queryFn: ({ signal }) => ask<Names>(address(["registry", "names"]), { signal }),
    enabled: key !== "",
    staleTime: STALE_MS,
  }).data
}
