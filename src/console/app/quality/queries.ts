import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type {
  Discarded,
  Letters,
  LoggedRejection,
  RejectionCounts,
  Rejections,
  Replayed,
  WholeLetter,
} from "../lib/api.ts"
import { address, ask, RequestFailed } from "../lib/client.ts"

const REJECTIONS = ["admin", "rejections"]
const LETTERS = ["admin", "dead-letters"]
const PAGE = 25

/** Which letters: all of a code, or one. */
export type Chosen = { code: string } | { ids: string[] }

export function useCounts(hours: number, enabled: boolean) {
  return useQuery({
    queryKey: [...REJECTIONS, "counts", hours],
    queryFn: async ({ signal }) =>
      (await ask<RejectionCounts>(address([...REJECTIONS, "counts"], { hours }), { signal })).counts,
    placeholderData: keepPreviousData,
    enabled,
  })
}

export function useRejections(code: string | undefined, keyId: string | undefined, enabled: boolean) {
  return useInfiniteQuery({
    queryKey: [...REJECTIONS, code, keyId],
    queryFn: ({ pageParam, signal }) => {
      const query = { code, keyId, limit: PAGE, before: pageParam || undefined }
      return ask<Rejections>(address(REJECTIONS, query), { signal })
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    enabled,
  })
}

/** One entry of the log. The log is asked for the newest that is older than the next id. */
export function useRejection(id: string) {
  return useQuery({
    queryKey: [...REJECTIONS, "one", id],
    queryFn: async ({ signal }): Promise<LoggedRejection> => {
      const before = /^\d{1,18}$/.test(id) ? String(BigInt(id) + 1n) : id
      const { rejections } = await ask<Rejections>(address(REJECTIONS, { before, limit: 1 }), { signal })
      const [found] = rejections
      if (found?.id === id) return found
      throw new RequestFailed(
        404,
        "NOT_FOUND",
        "This rejection is not in the log any more. Entries are kept for 30 days.",
      )
    },
  })
}

export function useLetters(code: string | undefined, enabled: boolean) {
  return useInfiniteQuery({
    queryKey: [...LETTERS, code],
    queryFn: ({ pageParam, signal }) =>
      ask<Letters>(address(LETTERS, { code, limit: PAGE, before: pageParam || undefined }), { signal }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    enabled,
  })
}

export function useLetter(id: string) {
  return useQuery({
    queryKey: [...LETTERS, "one", id],
    queryFn: ({ signal }) => ask<WholeLetter>(address([...LETTERS, id]), { signal }),
  })
}

/** How many letters there are of each code; nothing is discarded. */
export function useLetterCounts(codes: readonly string[], enabled: boolean) {
  return useQuery({
    queryKey: [...LETTERS, "counts", codes],
    queryFn: async ({ signal }) => {
      const found = await Promise.all(codes.map((code) => discarding({ code }, true, signal)))
      return codes.map((code, index) => ({ code, n: found[index]?.discarded ?? 0 }))
    },
    enabled,
  })
}

/** What discarding would delete. */
export function useDiscarding(chosen: Chosen) {
  return useQuery({
    queryKey: [...LETTERS, "discarding", chosen],
    queryFn: ({ signal }) => discarding(chosen, true, signal),
    staleTime: 0,
    gcTime: 0,
    retry: false,
  })
}

export function useDiscard() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (chosen: Chosen) => discarding(chosen, false),
    onSuccess: () => queries.invalidateQueries({ queryKey: LETTERS }),
  })
}

/** Tries letters again, a thousand at once until all were tried. */
export function useReplay() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: async (chosen: Chosen) => {
      const sum = { stored: 0, duplicates: 0, rejected: 0, failed: 0 }
      let after: string | undefined
      do {
        const body = { ...chosen, after }
        const answer = await ask<Replayed>(address([...LETTERS, "replay"]), { method: "POST", body })
        for (const part of Object.keys(sum) as (keyof typeof sum)[]) sum[part] += answer[part]
        after = answer.next ?? undefined
      } while (after !== undefined)
      return sum
    },
    // What is stored now can move everything that a page shows.
    onSettled: () => queries.invalidateQueries(),
  })
}

export type Tried = Omit<Replayed, "next">

function discarding(chosen: Chosen, dryRun: boolean, signal?: AbortSignal): Promise<Discarded> {
  return ask<Discarded>(address([...LETTERS, "discard"]), { method: "POST", body: { ...chosen, dryRun }, signal })
}
