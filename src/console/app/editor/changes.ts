/** Changes of definitions: what they would do, and doing them. */
import {
  keepPreviousData,
  skipToken,
  useIsMutating,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query"
import type { Preview, Published } from "../lib/api.ts"
import { address, ask, RequestFailed } from "../lib/client.ts"
import { written } from "../lib/json.ts"
import { useSession } from "../lib/session.ts"

const EXAMPLES = 5
const TRIES = 20
const WAIT_MS = 2000

/** One change, as /v1/admin/publish takes it. */
export interface Change {
  kind: string
  key: string
  /** The whole document; null deletes the definition. */
  document: Record<string, unknown> | null
  /** The version that it replaces, 0 for none. */
  expects?: number
}

/** The same without the version: what it would do does not depend on who was quicker. */
function unconditional({ kind, key, document }: Change): Change {
  return { kind, key, document }
}

/**
 * What a change would do to people; none until one is given.
 *
 * The server makes two previews at a time: a third waits as long as it says. The last answer stays until the next.
 */
export function usePreview(change: Change | undefined) {
  const { key } = useSession()
  const body = { changes: change ? [unconditional(change)] : [], examples: EXAMPLES }
  return useQuery({
    queryKey: ["preview", written(body)],
    queryFn: ({ signal }) => ask<Preview>(address(["admin", "preview"]), { method: "POST", body, signal }),
    placeholderData: keepPreviousData,
    enabled: key !== "" && change !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    retry: (tries, problem) => problem instanceof RequestFailed && problem.status === 429 && tries < TRIES,
    retryDelay: (_, problem) => (problem instanceof RequestFailed && problem.retryAfterMs) || WAIT_MS,
  })
}

/** What a change would make of the definitions, as the server writes it in their history. Fails as a publish would. */
export function useDryRun(change: Change) {
  const { key } = useSession()
  const body = { changes: [change], dryRun: true }
  return useQuery({
    queryKey: ["dry-run", written(body)],
    queryFn: ({ signal }) => ask<Published>(address(["admin", "publish"]), { method: "POST", body, signal }),
    enabled: key !== "",
    staleTime: 0,
    gcTime: 0,
    retry: false,
  })
}

const PUBLISHING = ["publishing"]

/** It is pending until the definitions are read again. */
export function usePublish() {
  const queries = useQueryClient()
  return useMutation({
    mutationKey: PUBLISHING,
    mutationFn: ({ change, note }: { change: Change; note: string }) =>
      ask<Published>(address(["admin", "publish"]), { method: "POST", body: { changes: [change], note } }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["definitions"] }),
  })
}

/** Whether this page publishes: the other version that it sees then is its own. */
export function usePublishing(): boolean {
  return useIsMutating({ mutationKey: PUBLISHING }) > 0
}

/** Whether another editor's change came first. */
export function isConflict(problem: Error | null): boolean {
  return problem instanceof RequestFailed && (problem.status === 409 || problem.status === 412)
}

/** What this tab published last of a definition: until the page is left, it can be undone. */
export interface LastPublished {
  kind: string
  key: string
  version: number
  /** The document before; null for a new definition. */
  before: Record<string, unknown> | null
  backfilling: boolean
  undo: boolean
}

const publishedKey = (kind: string, key: string) => ["published", kind, key]

export function useLastPublished(kind: string, key: string): LastPublished | null {
  return useQuery<LastPublished | null>({ queryKey: publishedKey(kind, key), queryFn: skipToken }).data ?? null
}

/** Remember, or forget, what was published. */
export function useRemember(): (kind: string, key: string, published: LastPublished | null) => void {
  const queries = useQueryClient()
  return (kind, key, published) => queries.setQueryData(publishedKey(kind, key), published)
}

/** The outcome of a publish for one definition; none if nothing of it changed. */
export function outcomeOf(published: Published, { kind, key }: Change, undo = false): LastPublished | null {
  const changed = published.changes.find((one) => one.kind === kind && (one.key === key || one.was === key))
  if (!changed) return null
  const before = changed.before as Record<string, unknown> | null
  return { kind, key, version: changed.version, before, backfilling: published.backfilling, undo }
}

/** The change that takes back what was published: refused if another change came after it. */
export function undoOf({ kind, key, version, before }: LastPublished): Change {
  return { kind, key, document: before, expects: version }
}
