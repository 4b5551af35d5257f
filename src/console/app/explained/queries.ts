import { keepPreviousData, useQuery } from "@tanstack/react-query"
import type { Explained } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useSession } from "../lib/session.ts"
import { untilNext } from "../lib/until.ts"
import type { Asked } from "./asking.tsx"

export interface Wanted {
  kind: "trait" | "segment"
  /** The key; "" for a draft that has none. */
  name: string
  /** Instead of what is live. */
  expression?: string
}

/** Why a person has a value, or is in a segment. It is asked for again when its time has come. */
export function useExplainedFor({ kind, name, expression }: Wanted, { person, by, at }: Asked, enabled: boolean) {
  const { key } = useSession()
  const body = { kind, ...(name ? { key: name } : {}), expression, [by]: person, at: at || undefined }
  return useQuery({
    queryKey: ["explained-for", body],
    queryFn: ({ signal }) => ask<Explained>(address(["admin", "explain"]), { method: "POST", body, signal }),
    enabled: enabled && key !== "" && person !== "",
    placeholderData: keepPreviousData,
    refetchInterval: (query) => (at ? false : untilNext([query.state.data?.definition?.until ?? null])),
  })
}
