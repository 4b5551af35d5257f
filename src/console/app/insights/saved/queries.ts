/** Reports, dashboards and saved events, as the server keeps them. */
import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { moveDraft } from "../../editor/drafts.ts"
import type { DashboardDocument, Published, ReportDocument, SavedDefinition, Segments } from "../../lib/api.ts"
import { address, ask } from "../../lib/client.ts"
import { useMe } from "../../lib/me.ts"
import { useSession } from "../../lib/session.ts"

interface Documents {
  reports: ReportDocument
  dashboards: DashboardDocument
}

/** What people save, as addresses name it. */
export type SavedKind = keyof Documents
export type Saved<K extends SavedKind> = Omit<SavedDefinition, "document"> & { document: Documents[K] }
export type Report = Saved<"reports">
export type Dashboard = Saved<"dashboards">

export function useSavedList<K extends SavedKind>(kind: K) {
  const { key } = useSession()
  return useQuery({
    queryKey: [kind],
    queryFn: async ({ signal }) => (await ask<Record<K, Saved<K>[]>>(address(["analytics", kind]), { signal }))[kind],
    enabled: key !== "",
  })
}

/** Nothing is asked while the name is empty. */
export function useSaved<K extends SavedKind>(kind: K, name: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: [kind, name],
    queryFn: ({ signal }) => ask<Saved<K>>(address(["analytics", kind, name]), { signal }),
    enabled: key !== "" && name !== "",
  })
}

/** The report that an address names; nothing is asked if it names none. */
export function useReport(name: string) {
  return useSaved("reports", name)
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

/** A metric that was saved, which questions may name. */
export interface SavedMetric {
  key: string
  name: string
  document: { measure?: unknown }
}

/** None while they are not known, nor without analytics. */
export function useSavedMetrics(): SavedMetric[] | undefined {
  const { key } = useSession()
  const answer = useQuery({
    queryKey: ["saved", "metrics"],
    queryFn: async ({ signal }) =>
      (await ask<{ metrics: SavedMetric[] }>(address(["analytics", "metrics"]), { signal })).metrics,
    enabled: key !== "",
    staleTime: 60_000,
  })
  return answer.data ?? (answer.error ? [] : undefined)
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

interface Kept<K extends SavedKind> {
  key: string
  document: Documents[K]
  /** The version that it replaces: another one since is a conflict. 0 for a new one. */
  version: number
}

/**
 * Saves a document. What the server has meanwhile is never overwritten: 409 VERSION_CONFLICT.
 *
 * It is pending until what it changed is read again. `onSaved` is the end of that, also if the page was left.
 */
export function useSave<K extends SavedKind>(kind: K, onSaved?: () => void) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ key, document, version }: Kept<K>) =>
      ask<Saved<K>>(address(["analytics", kind, key]), {
        method: "PUT",
        body: document,
        headers: { "If-Match": `"${version}"` },
      }),
    onSuccess: async (saved, { key }) => {
      queries.setQueryData([kind, key], saved)
      await queries.invalidateQueries({ queryKey: [kind] })
      onSaved?.()
    },
  })
}

/** Dashboards that name a report are rewritten with it. */
export function useRename(kind: SavedKind) {
  const queries = useQueryClient()
  const environment = useMe()?.environment.key ?? ""
  return useMutation({
    mutationFn: ({ from, to }: { from: string; to: string }) =>
      ask<Published>(address(["analytics", kind, from, "rename"]), { method: "POST", body: { key: to } }),
    onSuccess: (_, { from, to }) => {
      if (kind === "dashboards") moveDraft({ environment, kind: "dashboard", name: from }, to)
      return forget(queries)
    },
  })
}

export function useRemove(kind: SavedKind) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (key: string) => ask<Published>(address(["analytics", kind, key]), { method: "DELETE" }),
    onSuccess: () => forget(queries),
  })
}

function forget(queries: QueryClient): Promise<unknown> {
  return Promise.all(["reports", "dashboards"].map((kind) => queries.invalidateQueries({ queryKey: [kind] })))
}
