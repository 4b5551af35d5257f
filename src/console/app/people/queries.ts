import { type InfiniteData, keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query"
import type {
  Answers,
  Explained,
  IdentityGraph,
  Journey,
  Lifetime,
  Profile,
  ProfileHistory,
  ProfileSummary,
  Replay,
  Search,
} from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useSession } from "../lib/session.ts"
import { untilNext } from "../lib/until.ts"

const PAGE = 50
const CHANGES = 100

/** People whose identifier or name begins with the text; the newest if it is empty. */
export function useFound(text: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["people", text],
    queryFn: async ({ signal }): Promise<ProfileSummary[]> => {
      const asked = (query: Record<string, string>) =>
        ask<Search>(address(["profiles", "search"], { ...query, limit: PAGE }), { signal })
      if (!text) return (await asked({})).profiles
      const answers = await Promise.all([asked({ q: text }), asked({ where: `name^=${text}` })])
      const found = new Map(answers.flatMap(({ profiles }) => profiles).map((person) => [person.id, person]))
      return [...found.values()]
    },
    placeholderData: keepPreviousData,
    enabled: key !== "",
  })
}

/** The most that the server gives at once. */
export const PEOPLE_AT_ONCE = 200

export interface FoundPage {
  people: ProfileSummary[]
  /** Where the following page begins; nothing after the last one. */
  next: string | null
}

export type FoundPages = InfiniteData<FoundPage, string>

export function keyOfPeople(text: string, after: string): string[] {
  return ["people", text, "from", after]
}

/** All people, or those whose identifier or name begins with the text, page by page from a place on. */
export function usePeople(text: string, after: string) {
  const { key } = useSession()
  return useInfiniteQuery<FoundPage, Error, FoundPages, string[], string>({
    queryKey: keyOfPeople(text, after),
    queryFn: ({ pageParam, signal }) => (text ? pageFound(text, pageParam, signal) : pageOfNewest(pageParam, signal)),
    initialPageParam: after,
    getNextPageParam: (page) => page.next,
    enabled: key !== "",
    // What was scrolled through stays as it is, instead of being asked for again page by page.
    staleTime: ({ state }) => ((state.data?.pages.length ?? 0) > 1 ? Number.POSITIVE_INFINITY : 5_000),
  })
}

async function pageOfNewest(after: string, signal: AbortSignal): Promise<FoundPage> {
  const found = await searched({ after }, signal)
  return { people: found.profiles, next: found.next }
}

/** Two searches side by side, each with its cursor: by identifier and by name. A dash is one that is over. */
async function pageFound(text: string, after: string, signal: AbortSignal): Promise<FoundPage> {
  const [first = "", second = ""] = after.split(" ")
  const answers = await Promise.all([
    first === OVER ? undefined : searched({ q: text, after: first }, signal),
    second === OVER ? undefined : searched({ where: `name^=${text}`, after: second }, signal),
  ])
  const next = answers.map((answer) => answer?.next ?? OVER)
  return {
    people: answers.flatMap((answer) => answer?.profiles ?? []),
    next: next.every((one) => one === OVER) ? null : next.join(" "),
  }
}

const OVER = "-"

function searched(by: Record<string, string>, signal: AbortSignal): Promise<Search> {
  const { after, ...wanted } = by
  const place = address(["profiles", "search"], { ...wanted, after: after || undefined, limit: PEOPLE_AT_ONCE })
  return ask<Search>(place, { signal })
}

/** A person. Asked for again at the next instant at which one of their values changes by itself. */
export function usePerson(id: string, by?: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["person", id, by ?? ""],
    queryFn: ({ signal }) => ask<Profile>(address(["profiles", id], { by }), { signal }),
    enabled: key !== "",
    refetchInterval: (query) => {
      const person = query.state.data
      return person ? untilNext([...Object.values(person.traits), ...person.segments].map(({ until }) => until)) : false
    },
  })
}

export function useLifetime(id: string) {
  return useQuery({
    queryKey: ["person", id, "lifetime"],
    queryFn: ({ signal }) => ask<Lifetime>(address(["profiles", id, "lifetime"], { by: "profileId" }), { signal }),
  })
}

/** What all flags give a person. `asOf` is the instant of an answer of the past. */
export interface Given {
  flags: Answers["flags"]
  revision: number
  asOf?: string
}

/** What all flags give a person, now or as it was decided at an instant of the past. To look is no exposure. */
export function useDecisions(id: string, at: string) {
  return useQuery({
    queryKey: ["person", id, "decisions", at],
    queryFn: ({ signal }): Promise<Given> =>
      at
        ? ask<Replay>(address(["decide", "replay"]), { method: "POST", body: { profileId: id, at }, signal })
        : ask<Answers>(address(["decide"]), { method: "POST", body: { profileId: id, exposure: false }, signal }),
    placeholderData: (former, query) => (query?.queryKey[1] === id ? former : undefined),
    refetchInterval: (query) =>
      at ? false : untilNext(Object.values(query.state.data?.flags ?? {}).map(({ validUntil }) => validUntil)),
  })
}

export type Explainable = "trait" | "segment"

/** Why a person has a value now. It is asked for again when it changes by itself. */
export function useWhy(id: string, kind: Explainable, name: string) {
  return useQuery({
    queryKey: ["person", id, "why", kind, name],
    queryFn: ({ signal }) =>
      ask<Explained>(address(["admin", "explain"]), {
        method: "POST",
        body: { kind, key: name, profileId: id },
        signal,
      }),
    refetchInterval: (query) => untilNext([query.state.data?.definition?.until ?? null]),
  })
}

/** Which events of a person are shown; an empty text leaves all of them in. Both instants are ISO 8601. */
export interface EventFilter {
  event: string
  kind: string
  from: string
  to: string
}

export function useJourney(id: string, { event, kind, from, to }: EventFilter) {
  const wanted = { event: event || undefined, kind: kind || undefined, from: from || undefined, to: to || undefined }
  return useInfiniteQuery({
    queryKey: ["person", id, "journey", wanted],
    queryFn: ({ pageParam, signal }) =>
      ask<Journey>(
        address(["journeys", id], { by: "profileId", limit: PAGE, cursor: pageParam || undefined, ...wanted }),
        { signal },
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: (former, query) => (query?.queryKey[1] === id ? former : undefined),
  })
}

/** Which changes of a person are shown: those of all values, or of one, as `trait:revenue_90d`. */
export interface HistoryFilter {
  of: string
  from: string
  to: string
}

export function useHistory(id: string, { of, from, to }: HistoryFilter) {
  const [kind = "", name] = partsOf(of)
  const wanted = { [kind]: name, from: from || undefined, to: to || undefined }
  return useInfiniteQuery({
    queryKey: ["person", id, "history", wanted],
    queryFn: ({ pageParam, signal }) =>
      ask<ProfileHistory>(
        address(["profiles", id, "history"], {
          by: "profileId",
          limit: CHANGES,
          cursor: pageParam || undefined,
          ...wanted,
        }),
        { signal },
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: (former, query) => (query?.queryKey[1] === id ? former : undefined),
  })
}

/** `trait:a:b` → its kind, and the name `a:b`. */
export function partsOf(of: string): [string, string] | [] {
  const colon = of.indexOf(":")
  return colon < 0 ? [] : [of.slice(0, colon), of.slice(colon + 1)]
}

export function useGraph(id: string) {
  return useQuery({
    queryKey: ["person", id, "graph"],
    queryFn: ({ signal }) => ask<IdentityGraph>(address(["admin", "profiles", `profileId:${id}`, "graph"]), { signal }),
  })
}
