/** What a tab knows is of one environment, and of who is signed in. */
import type { QueryClient } from "@tanstack/react-query"
import type { Me } from "../lib/api.ts"
import { forgetAnnouncement } from "../ui/announced.tsx"

/** All answers and what was said of actions. */
export function forget(queries: QueryClient): void {
  queries.clear()
  forgetAnnouncement()
}

/** Before a key signs in: what the tab knows of another environment than the key's is forgotten. */
export function enter(queries: QueryClient, me: Me): void {
  const before = queries.getQueryData<Me>(["me"])
  if (before && before.environment.key !== me.environment.key) forget(queries)
  queries.setQueryData(["me"], me)
}
