import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type { ReleasedRemovals, SyncHealth, SyncPreview, SyncRecords, SyncRemovals } from "../../lib/api.ts"
import { address, ask } from "../../lib/client.ts"
import { useMay } from "../../lib/me.ts"
import type { Document } from "../form/document.ts"

const ALL = ["syncs"]
/** How syncs are changes without anything that the page could wait for. */
const HEALTH_MS = 5_000
/** While a run is waited for. */
const RUNNING_MS = 1_000
const PAGE = 50
const EXAMPLES = 5

export function useSyncHealth(name: string) {
  return useQuery({
    queryKey: [...ALL, "health", name],
    queryFn: ({ signal }) => ask<SyncHealth>(address([...ALL, name, "health"]), { signal }),
    enabled: useMay("admin"),
    refetchInterval: ({ state: { data } }) => (data?.isRequested || data?.scan ? RUNNING_MS : HEALTH_MS),
  })
}

/** Records in one state, or all that may need work. They stay as they are until they are asked for anew. */
export function useRecords(name: string, state: string | undefined) {
  return useInfiniteQuery({
    queryKey: [...ALL, "records", name, state],
    queryFn: ({ pageParam, signal }) =>
      ask<SyncRecords>(address([...ALL, name, "records"], { state, after: pageParam ?? undefined, limit: PAGE }), {
        signal,
      }),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
    refetchOnWindowFocus: false,
  })
}

export function useRemovals(name: string) {
  return useInfiniteQuery({
    queryKey: [...ALL, "removals", name],
    queryFn: ({ pageParam, signal }) =>
      ask<SyncRemovals>(address([...ALL, name, "removals"], { after: pageParam ?? undefined, limit: PAGE }), {
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    refetchOnWindowFocus: false,
  })
}

/** Runs it now. prove: and compares everybody */
export function useRun(name: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (prove: boolean) =>
      ask<SyncHealth>(address([...ALL, name, "run"]), { method: "POST", body: { prove } }),
    onSuccess: (health) => queries.setQueryData([...ALL, "health", name], health),
  })
}

const releaseOf = (name: string, dryRun: boolean, signal?: AbortSignal) =>
  ask<ReleasedRemovals>(address([...ALL, name, "release"]), { method: "POST", body: { dryRun }, signal })

/** How many a release would remove now. */
export function useReleaseDryRun(name: string) {
  return useQuery({
    queryKey: [...ALL, "release", name],
    queryFn: ({ signal }) => releaseOf(name, true, signal),
    staleTime: 0,
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
  })
}

export function useRelease(name: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: () => releaseOf(name, false),
    onSuccess: () => queries.invalidateQueries({ queryKey: ALL }),
  })
}

/** Counts what a document would send; without one, the saved one. It looks at people for up to 20 seconds. */
export function useSyncPreview(name: string) {
  return useMutation({
    mutationFn: (document: Document | undefined) =>
      ask<SyncPreview>(address([...ALL, name, "preview"]), { method: "POST", body: { document, examples: EXAMPLES } }),
  })
}
