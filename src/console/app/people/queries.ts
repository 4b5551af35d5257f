import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query"
import type { Answers, Journey, Lifetime, Profile, ProfileSummary, Search } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useSession } from "../lib/session.ts"
import { untilNext } from "./until.ts"

const PAGE = 50

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

export function useDecisions(id: string) {
  return useQuery({
    queryKey: ["person", id, "decisions"],
    queryFn: ({ signal }) => ask<Answers>(address(["decide"]), { method: "POST", body: { profileId: id }, signal }),
    refetchInterval: (query) =>
      untilNext(Object.values(query.state.data?.flags ?? {}).map(({ validUntil }) => validUntil)),
  })
}

export function useJourney(id: string) {
  return useInfiniteQuery({
    queryKey: ["person", id, "journey"],
    queryFn: ({ pageParam, signal }) =>
      ask<Journey>(address(["journeys", id], { by: "profileId", limit: PAGE, cursor: pageParam || undefined }), {
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  })
}
