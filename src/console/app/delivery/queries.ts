import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type {
  Deliveries,
  DeliveryHealth,
  Destination,
  DestinationHealth,
  Destinations,
  DestinationVersions,
  MadeMessage,
  ReplayedDeliveries,
  Secret,
  Secrets,
  Sync,
  Syncs,
  SyncVersions,
  Tested,
  UndeliveredPage,
} from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useMay } from "../lib/me.ts"
import type { DeliveryKind } from "./kinds.ts"

const ALL = ["destinations"]
/** How destinations are changes without anything that the page could wait for. */
const HEALTH_MS = 5_000
const PAGE = 50

/** All destinations, or all syncs. */
export function useAllSaved<Kept extends Destination | Sync>({ path }: DeliveryKind) {
  return useQuery({
    queryKey: [path, "list"],
    queryFn: async ({ signal }) => {
      const answer = await ask<Partial<Destinations & Syncs>>(address([path]), { signal })
      return (answer[path] ?? []) as Kept[]
    },
    enabled: useMay("admin"),
  })
}

/** One of them. */
export function useSaved<Kept extends Destination | Sync>({ path }: DeliveryKind, name: string) {
  return useQuery({
    queryKey: [path, "one", name],
    queryFn: ({ signal }) => ask<Kept>(address([path, name]), { signal }),
    enabled: useMay("admin"),
  })
}

/** How all destinations are, by their keys. */
export function useHealths() {
  return useQuery({
    queryKey: [...ALL, "health"],
    queryFn: async ({ signal }) => {
      const { destinations } = await ask<DeliveryHealth>(address(["delivery", "health"]), { signal })
      return new Map(destinations.map((one) => [one.key, one]))
    },
    enabled: useMay("admin"),
    refetchInterval: HEALTH_MS,
  })
}

export function useHealth(name: string) {
  return useQuery({
    queryKey: [...ALL, "health", name],
    queryFn: ({ signal }) => ask<DestinationHealth>(address([...ALL, name, "health"]), { signal }),
    enabled: useMay("admin"),
    refetchInterval: HEALTH_MS,
  })
}

/** The versions of a destination or a sync. */
export function useVersions({ path }: DeliveryKind, name: string) {
  return useQuery({
    queryKey: [path, "versions", name],
    queryFn: async ({ signal }) =>
      (await ask<DestinationVersions | SyncVersions>(address([path, name, "versions"]), { signal })).versions,
  })
}

/** Attempts, newest first. They stay as they are until they are asked for anew, so nothing moves. */
export function useDeliveries(name: string, failed: boolean) {
  return useInfiniteQuery({
    queryKey: [...ALL, "deliveries", name, failed],
    queryFn: ({ pageParam, signal }) =>
      ask<Deliveries>(
        address([...ALL, name, "deliveries"], {
          failed: failed ? "true" : undefined,
          before: pageParam ?? undefined,
          limit: PAGE,
        }),
        { signal },
      ),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
    refetchOnWindowFocus: false,
  })
}

export function useUndelivered(name: string) {
  return useInfiniteQuery({
    queryKey: [...ALL, "undelivered", name],
    queryFn: ({ pageParam, signal }) =>
      ask<UndeliveredPage>(address([...ALL, name, "undelivered"], { after: pageParam ?? undefined, limit: PAGE }), {
        signal,
      }),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
    refetchOnWindowFocus: false,
  })
}

/** A message of the log, made again: what was sent is not kept. */
export function useMessage(name: string, seq: number | null) {
  return useQuery({
    queryKey: [...ALL, "message", name, seq],
    queryFn: ({ signal }) => ask<MadeMessage>(address([...ALL, name, "messages", String(seq)]), { signal }),
    enabled: seq !== null,
    retry: false,
  })
}

export function useSecrets(name: string) {
  return useQuery({
    queryKey: [...ALL, "secrets", name],
    queryFn: async ({ signal }) => (await ask<Secrets>(address([...ALL, name, "secrets"]), { signal })).secrets,
  })
}

/** Something that is done to a destination; what is shown of any is asked for again. */
function useAct<Given, Answer>(act: (given: Given) => Promise<Answer>) {
  const queries = useQueryClient()
  return useMutation({ mutationFn: act, onSuccess: () => queries.invalidateQueries({ queryKey: ALL }) })
}

export const usePause = (name: string) =>
  useAct((reason: string) =>
    ask<DestinationHealth>(address([...ALL, name, "pause"]), { method: "POST", body: { reason } }),
  )

export const useResume = (name: string) =>
  useAct(() => ask<DestinationHealth>(address([...ALL, name, "resume"]), { method: "POST" }))

export const useNewSecret = (name: string) =>
  useAct((algorithm: Secret["algorithm"]) =>
    ask<Secret>(address([...ALL, name, "secrets"]), { method: "POST", body: { algorithm } }),
  )

/** What is sent again: exactly one of these. */
export type Again = { afterVersion: number } | { since: string } | { undelivered: true | number[] }

const replayOf = (name: string, again: Again, dryRun: boolean, signal?: AbortSignal) =>
  ask<ReplayedDeliveries>(address([...ALL, name, "replay"]), { method: "POST", body: { ...again, dryRun }, signal })

/** How many messages would be sent again; nothing is asked until it is known what. */
export function useReplayDryRun(name: string, again: Again | undefined) {
  return useQuery({
    queryKey: [...ALL, "replay", name, again],
    queryFn: ({ signal }) => replayOf(name, again as Again, true, signal),
    enabled: again !== undefined,
    staleTime: 0,
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
  })
}

export const useReplay = (name: string) => useAct((again: Again) => replayOf(name, again, false))

export interface TestOf {
  type: string
  profile: string
}

const testOf = (name: string, of: TestOf, dryRun: boolean, signal?: AbortSignal) =>
  ask<Tested>(address([...ALL, name, "test"]), { method: "POST", body: { ...of, dryRun }, signal })

/** The message that a test would send. */
export function useTestPreview(name: string, of: TestOf | undefined) {
  return useQuery({
    queryKey: [...ALL, "preview", name, of],
    queryFn: ({ signal }) => testOf(name, of as TestOf, true, signal),
    enabled: of !== undefined,
    retry: false,
    refetchOnWindowFocus: false,
  })
}

export const useTest = (name: string) => useAct((of: TestOf) => testOf(name, of, false))
