import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type { Erasure, ErasureCheck, Erasures, ProfileSummary, SuppressionChange, Suppressions } from "../lib/api.ts"
import { address, answered, ask } from "../lib/client.ts"
import { save } from "../lib/save.ts"

export type Identifier = ProfileSummary["identifiers"][number]

const PAGE = 50
const ERASURES = ["admin", "erasures"]
const SUPPRESSIONS = ["admin", "suppressions"]

export function useErasures() {
  return useInfiniteQuery({
    queryKey: ["privacy", "erasures"],
    queryFn: ({ pageParam, signal }) =>
      ask<Erasures>(address(ERASURES, { before: pageParam || undefined, limit: PAGE }), { signal }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  })
}

export function useReceipt(id: string) {
  return useQuery({
    queryKey: ["privacy", "erasures", id],
    queryFn: ({ signal }) => ask<Erasure>(address([...ERASURES, id]), { signal }),
  })
}

export function useSuppressions() {
  return useInfiniteQuery({
    queryKey: ["privacy", "suppressions"],
    queryFn: ({ pageParam, signal }) =>
      ask<Suppressions>(address(SUPPRESSIONS, { before: pageParam || undefined, limit: PAGE }), { signal }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  })
}

/** What is sent to erase profiles. Identifiers are in the body, as addresses end up in logs. */
export interface ErasureOf {
  profiles: string[]
  kind: "erasure" | "anonymization"
  suppress: boolean
}

/** What would be erased. It is counted anew each time that it is looked at. */
export function useErasureDryRun(of: ErasureOf) {
  return useQuery({
    queryKey: ["dry run", ERASURES, of],
    queryFn: ({ signal }) => ask<Erasure>(address(ERASURES), { method: "POST", body: { ...of, dryRun: true }, signal }),
    staleTime: 0,
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
  })
}

/** Erase. What was known of the erased people is dropped here, too. */
export function useErase() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: ErasureOf & { note: string }) => ask<Erasure>(address(ERASURES), { method: "POST", body }),
    onSuccess: () => {
      for (const what of ["people", "identity", "privacy", "definitions"]) {
        queries.invalidateQueries({ queryKey: [what] })
      }
      queries.removeQueries({ queryKey: ["person"], type: "inactive" })
    },
  })
}

export function useCheck(id: string) {
  return useMutation({
    mutationFn: (identifiers: Identifier[]) =>
      ask<ErasureCheck>(address([...ERASURES, id, "check"]), { method: "POST", body: { identifiers } }),
  })
}

/** Whether messages with these identifiers are rejected from now on, or accepted again. */
export interface SuppressionOf {
  identifiers: Identifier[]
  release: boolean
}

function sent({ identifiers, release }: SuppressionOf, more: object): Promise<SuppressionChange> {
  const method = release ? "DELETE" : "POST"
  return ask<SuppressionChange>(address(SUPPRESSIONS), { method, body: { identifiers, ...more } })
}

export function useSuppressionDryRun(of: SuppressionOf) {
  return useQuery({
    queryKey: ["dry run", SUPPRESSIONS, of],
    queryFn: () => sent(of, { dryRun: true }),
    staleTime: 0,
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
    enabled: of.identifiers.length > 0,
  })
}

export function useSuppress() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ note, ...of }: SuppressionOf & { note: string }) => sent(of, { note }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["privacy"] }),
  })
}

/** Everything that is stored of a person, as a file. */
export function useExport(id: string, name: string) {
  return useMutation({
    mutationFn: async () => {
      const answer = await answered(address(["admin", "profiles", `profileId:${id}`, "export"]))
      save(await answer.blob(), `${name.replace(/[^\w.@-]+/g, "_")}.json`)
    },
  })
}
