import { useQuery } from "@tanstack/react-query"
import type { FlagExposures, Kills } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useSession } from "../lib/session.ts"

export function useKills(flag: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["definitions", "flags", flag, "kills"],
    queryFn: ({ signal }) => ask<Kills>(address(["admin", "flags", flag, "kills"], { limit: 10 }), { signal }),
    enabled: key !== "",
  })
}

export function useExposures(flag: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["definitions", "flags", flag, "exposures"],
    queryFn: ({ signal }) => ask<FlagExposures>(address(["admin", "flags", flag, "exposures"]), { signal }),
    enabled: key !== "",
  })
}
