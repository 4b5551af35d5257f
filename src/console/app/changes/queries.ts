import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type { Differences, Published, RevisionDetail, Revisions } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useSession } from "../lib/session.ts"

const REVISIONS = ["admin", "revisions"]
const PAGE = 50
/** While a revision is computed, it is asked for this often. */
const PROGRESS_MS = 1000

export function useRevisions() {
  const { key } = useSession()
  return useInfiniteQuery({
    queryKey: [...REVISIONS, "all"],
    queryFn: ({ pageParam, signal }) =>
      ask<Revisions>(address(REVISIONS, { limit: PAGE, before: pageParam ?? undefined }), { signal }),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
    enabled: key !== "",
  })
}

/** The number of the newest revision; 0 without one. */
export function useNewest() {
  const { key } = useSession()
  return useQuery({
    queryKey: [...REVISIONS, "newest"],
    queryFn: async ({ signal }) => {
      const { revisions } = await ask<Revisions>(address(REVISIONS, { limit: 1 }), { signal })
      return revisions[0]?.revision ?? 0
    },
    enabled: key !== "",
  })
}

export function useRevision(revision: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: [...REVISIONS, "one", revision],
    queryFn: ({ signal }) => ask<RevisionDetail>(address([...REVISIONS, revision]), { signal }),
    enabled: key !== "",
    refetchInterval: (query) => (query.state.data?.liveAt === null ? PROGRESS_MS : false),
  })
}

/** How the definitions of two revisions differ. */
export function useDifference(from: number, to: number, enabled: boolean) {
  return useQuery({
    queryKey: ["diff", from, to],
    queryFn: ({ signal }) => ask<Differences>(address(["admin", "diff"], { from, to }), { signal }),
    staleTime: Number.POSITIVE_INFINITY,
    enabled,
  })
}

/** What restoring a revision would change; nothing is published. */
export function useRestoring(revision: number) {
  return useQuery({
    queryKey: [...REVISIONS, revision, "restoring"],
    queryFn: ({ signal }) => restore(revision, { dryRun: true }, signal),
    staleTime: 0,
    gcTime: 0,
    retry: false,
  })
}

export function useRestore(revision: number) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (note: string) => restore(revision, { note }),
    onSuccess: () => queries.invalidateQueries(),
  })
}

function restore(revision: number, body: { dryRun: true } | { note: string }, signal?: AbortSignal) {
  return ask<Published>(address([...REVISIONS, String(revision), "restore"]), { method: "POST", body, signal })
}
