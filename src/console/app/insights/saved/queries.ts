/** Reports and saved events, as the server keeps them. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type { Published, ReportDocument, SavedDefinition, Segments } from "../../lib/api.ts"
import { address, ask } from "../../lib/client.ts"
import { useSession } from "../../lib/session.ts"

export type Report = Omit<SavedDefinition, "document"> & { document: ReportDocument }

export function useReports() {
  const { key } = useSession()
  return useQuery({
    queryKey: ["reports"],
    queryFn: async ({ signal }) =>
      (await ask<{ reports: Report[] }>(address(["analytics", "reports"]), { signal })).reports,
    enabled: key !== "",
  })
}

/** The report that an address names; nothing is asked if it names none. */
export function useReport(name: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["reports", name],
    queryFn: ({ signal }) => ask<Report>(address(["analytics", "reports", name]), { signal }),
    enabled: key !== "" && name !== "",
  })
}

/** Keys and names of saved events, which questions may name. */
export function useSavedEvents(): { key: string; name: string }[] | undefined {
  const { key } = useSession()
  return useQuery({
    queryKey: ["saved", "events"],
    queryFn: async ({ signal }) =>
      (await ask<{ events: { key: string; name: string }[] }>(address(["analytics", "events"]), { signal })).events,
    enabled: key !== "",
    staleTime: 60_000,
  }).data
}

export function useSegmentKeys(): string[] | undefined {
  const { key } = useSession()
  return useQuery({
    queryKey: ["definitions", "segments", "keys"],
    queryFn: async ({ signal }) =>
      (await ask<Segments>(address(["admin", "segments"]), { signal })).segments.map((one) => one.key),
    enabled: key !== "",
    staleTime: 60_000,
  }).data
}

interface Kept {
  key: string
  document: ReportDocument
  /** The version that it replaces: another one since is a conflict. 0 for a new one. */
  version: number
}

/** Saves a document. What the server has meanwhile is never overwritten: 412, with its version. */
export function useSave() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ key, document, version }: Kept) =>
      ask<Report>(address(["analytics", "reports", key]), {
        method: "PUT",
        body: document,
        headers: { "If-Match": `"${version}"` },
      }),
    onSuccess: (saved, { key }) => {
      queries.setQueryData(["reports", key], saved)
      return queries.invalidateQueries({ queryKey: ["reports"] })
    },
  })
}

export function useRename() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ from, to }: { from: string; to: string }) =>
      ask<Published>(address(["analytics", "reports", from, "rename"]), { method: "POST", body: { key: to } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["reports"] }),
  })
}

export function useRemove() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (key: string) => ask<Published>(address(["analytics", "reports", key]), { method: "DELETE" }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["reports"] }),
  })
}
