import { useInfiniteQuery, useQuery } from "@tanstack/react-query"
import type { GroupMembers, Groups } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"

export type Group = Groups["groups"][number]

const GROUPS = ["admin", "groups"]
const PAGE = 50

export function useGroups(enabled: boolean) {
  return useInfiniteQuery({
    queryKey: ["groups"],
    queryFn: ({ pageParam, signal }) =>
      ask<Groups>(address(GROUPS, { after: pageParam || undefined, limit: PAGE }), { signal }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    enabled,
  })
}

export function useGroup(name: string, enabled: boolean) {
  return useQuery({
    queryKey: ["groups", name],
    queryFn: ({ signal }) => ask<Group>(address([...GROUPS, name]), { signal }),
    enabled,
  })
}

export function useGroupMembers(name: string) {
  return useInfiniteQuery({
    queryKey: ["groups", name, "members"],
    queryFn: ({ pageParam, signal }) =>
      ask<GroupMembers>(address([...GROUPS, name, "members"], { after: pageParam || undefined, limit: PAGE }), {
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  })
}
