/** What this key is of: its environment, with the zone in which days are shown. */
import { useQuery } from "@tanstack/react-query"
import type { Me } from "./api.ts"
import { address, ask } from "./client.ts"
import { useSession } from "./session.ts"

/** Raises RequestFailed if the server does not know the key. */
export function whoIs(key?: string): Promise<Me> {
  return ask<Me>(address(["me"]), { key })
}

export function useMe(): Me | undefined {
  const { key } = useSession()
  const asked = { queryKey: ["me"], queryFn: () => whoIs(), enabled: key !== "", staleTime: Number.POSITIVE_INFINITY }
  return useQuery(asked).data
}

export function useZone(): string {
  return useMe()?.environment.zone ?? "UTC"
}

/** Whether the key may do what the scope allows. While that is not known, it may not. */
export function useMay(scope: "write" | "decide" | "read" | "admin"): boolean {
  return useMe()?.abilities.includes(scope) ?? false
}
