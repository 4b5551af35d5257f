/** Why profiles became one, and why others did not, in words. */
import type { Merge, RejectedClaim } from "../lib/api.ts"

export const REASONS: Record<string, string> = {
  CLAIMED: "claimed by another profile",
  KEPT_APART: "kept apart by an undo or a split",
  LIMIT: "too many identifiers of this kind",
  NEW_LIMIT: "too many new identifiers at once",
  RULE: "not allowed by the rules",
}

const CAUSES: Record<string, string> = {
  claim: "a message named both",
  alias: "an alias call",
  manual: "by hand",
  undo: "it went on below another profile when a merge was undone",
}

export function causeOf({ cause }: Pick<Merge, "cause">): string {
  return CAUSES[cause] ?? cause
}

export function reasonOf({ reason }: Pick<RejectedClaim, "reason">): string {
  return REASONS[reason] ?? reason
}
