import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type {
  Dictionary,
  EventPage,
  Events,
  PlannedEvent,
  PlanVersions,
  PropertyPage,
  Saved,
  Sdks,
} from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useSession } from "../lib/session.ts"

const PAGE = 50
const VERSIONS_SHOWN = 20

export function useEvents() {
  const { key } = useSession()
  return useQuery({
    queryKey: ["registry", "events"],
    queryFn: ({ signal }) => ask<Events>(address(["registry", "events"]), { signal }),
    enabled: key !== "",
  })
}

export function useEvent(name: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["registry", "events", name],
    queryFn: ({ signal }) => ask<EventPage>(address(["registry", "events", name]), { signal }),
    enabled: key !== "",
  })
}

export function useProperty(event: string, property: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["registry", "events", event, property],
    queryFn: ({ signal }) =>
      ask<PropertyPage>(address(["registry", "events", event, "properties", property]), { signal }),
    enabled: key !== "",
  })
}

/** The properties over all events whose name begins with the text. */
export function useDictionary(prefix: string) {
  const { key } = useSession()
  return useInfiniteQuery({
    queryKey: ["registry", "properties", prefix],
    queryFn: ({ pageParam, signal }) =>
      ask<Dictionary>(
        address(["registry", "properties"], {
          prefix: prefix || undefined,
          after: pageParam || undefined,
          limit: PAGE,
        }),
        { signal },
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    enabled: key !== "",
  })
}

export function useSdks() {
  const { key } = useSession()
  return useQuery({
    queryKey: ["registry", "sdks"],
    queryFn: ({ signal }) => ask<Sdks>(address(["registry", "sdks"]), { signal }),
    enabled: key !== "",
  })
}

export function usePlanVersions(name: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["registry", "plan", name],
    queryFn: async ({ signal }) => {
      const path = address(["registry", "plan", name, "versions"], { limit: VERSIONS_SHOWN })
      return (await ask<PlanVersions>(path, { signal })).versions
    },
    enabled: key !== "",
  })
}

/** What saving the entry would do; nothing is saved. Without an entry: what removing it would do. */
export function usePlanCheck(name: string, entry: PlannedEvent | null) {
  return useQuery({
    queryKey: ["registry", "plan", name, "check", entry],
    queryFn: ({ signal }) => ask<Saved>(planAddress(name, { dryRun: "true" }), { ...sent(entry), signal }),
    placeholderData: keepPreviousData,
    retry: false,
    gcTime: 0,
  })
}

/**
 * Saves the entry, or removes it without one; refused if its version is not `base` any more.
 *
 * It is pending until the registry is read again. `onSaved` is the end of that, also if the page was left.
 */
export function useSavePlan(name: string, onSaved: () => void) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ entry, base }: { entry: PlannedEvent | null; base: number }) =>
      ask<Saved>(planAddress(name), { ...sent(entry), headers: { "If-Match": `"${base}"` } }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["registry"] })
      onSaved()
    },
  })
}

function planAddress(name: string, query: Record<string, string> = {}): string {
  return address(["registry", "plan", name], query)
}

function sent(entry: PlannedEvent | null) {
  return entry ? ({ method: "PUT", body: entry } as const) : ({ method: "DELETE" } as const)
}
