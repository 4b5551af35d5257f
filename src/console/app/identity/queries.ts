import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type {
  BlockedValues,
  IdentityPolicy,
  MergeResult,
  Merges,
  ProfileSummary,
  RejectedClaims,
  UnmergeResult,
} from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"

export type Identifier = ProfileSummary["identifiers"][number]

const PAGE = 50
const POLICY = ["admin", "policies", "identity"]
const MERGE = ["admin", "profiles", "merge"]

/** Merges, newest first; of one profile if it is named. */
export function useMerges(profile: string, enabled: boolean) {
  return useInfiniteQuery({
    queryKey: ["identity", "merges", profile],
    queryFn: ({ pageParam, signal }) =>
      ask<Merges>(
        address(["admin", "merges"], { profile: profile || undefined, before: pageParam || undefined, limit: PAGE }),
        { signal },
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    enabled,
  })
}

export function useRefusals(reason: string, profile: string) {
  return useInfiniteQuery({
    queryKey: ["identity", "refusals", reason, profile],
    queryFn: ({ pageParam, signal }) =>
      ask<RejectedClaims>(
        address(["admin", "identity", "rejected-claims"], {
          reason: reason || undefined,
          profile: profile || undefined,
          before: pageParam || undefined,
          limit: PAGE,
        }),
        { signal },
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  })
}

export function useBlocked() {
  return useQuery({
    queryKey: ["identity", "blocked"],
    queryFn: async ({ signal }) =>
      (await ask<BlockedValues>(address(["admin", "identity", "blocked"], { limit: 200 }), { signal })).blocked,
  })
}

export interface LivePolicy {
  version: number
  document: Required<Pick<IdentityPolicy, "kinds">>
}

export function useIdentityPolicy() {
  return useQuery({
    queryKey: ["policies", "identity"],
    queryFn: ({ signal }) => ask<LivePolicy>(address(POLICY), { signal }),
  })
}

/** Save the policy in the place of the version that it was made from. */
export function useSavePolicy() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ version, document }: LivePolicy) =>
      ask<LivePolicy>(address(POLICY), {
        method: "PUT",
        body: document,
        headers: { "If-Match": `"${version}"` },
      }),
    onSettled: () => {
      queries.invalidateQueries({ queryKey: ["policies"] })
      queries.invalidateQueries({ queryKey: ["identity"] })
    },
  })
}

/** What is sent to merge: names of profiles, and the one whose id stays. */
export interface MergeOf {
  profiles: string[]
  survivor?: string
}

/** What a change of profiles would do. It is computed anew each time that it is looked at. */
function useDryRun<Answer>(path: string[], body: object, enabled = true) {
  return useQuery({
    queryKey: ["dry run", path, body],
    queryFn: ({ signal }) => ask<Answer>(address(path), { method: "POST", body: { ...body, dryRun: true }, signal }),
    staleTime: 0,
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
    enabled,
  })
}

/** Change profiles; whatever is shown of any is asked for again. */
function useProfileChange<Answer>(path: string[]) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: object) => ask<Answer>(address(path), { method: "POST", body }),
    onSuccess: () => {
      for (const what of ["person", "people", "identity", "definitions"])
        queries.invalidateQueries({ queryKey: [what] })
    },
  })
}

export const useMergeDryRun = (of: MergeOf) => useDryRun<MergeResult>(MERGE, of)
export const useMerge = () => useProfileChange<MergeResult>(MERGE)

const undoOf = (merge: string) => ["admin", "merges", merge, "undo"]
export const useUndoDryRun = (merge: string) => useDryRun<UnmergeResult>(undoOf(merge), {})
export const useUndo = (merge: string) => useProfileChange<UnmergeResult>(undoOf(merge))

const splitOf = (id: string) => ["admin", "profiles", `profileId:${id}`, "split"]
export const useSplitDryRun = (id: string, identifiers: Identifier[]) =>
  useDryRun<UnmergeResult>(splitOf(id), { identifiers }, identifiers.length > 0)
export const useSplit = (id: string) => useProfileChange<UnmergeResult>(splitOf(id))
