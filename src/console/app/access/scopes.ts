/** What keys may do, and what has become of them. */
import type { ListedKey } from "../lib/api.ts"

export const SCOPES = [
  { scope: "write", may: "Sends events. Reveals nothing.", belongs: "For apps and websites." },
  {
    scope: "decide",
    may: "Asks for the answers of flags. Reveals which flags a person has, and their rules.",
    belongs: "For apps and websites, beside write.",
  },
  {
    scope: "read",
    may: "Reads every person, event, definition and export; includes decide.",
    belongs: "For servers, and people who look.",
  },
  {
    scope: "admin",
    may: "All of that. Changes definitions, policies and keys; imports, and erases people.",
    belongs: "For operators.",
  },
] as const

export type State = "active" | "replaced" | "expired" | "revoked"

/** `replaced`: its successor exists, and it still works until it expires. */
export function stateOf(key: ListedKey, now: number): State {
  if (key.revokedAt !== null) return "revoked"
  if (key.expiresAt !== null && Date.parse(key.expiresAt) <= now) return "expired"
  return key.replacedBy === null ? "active" : "replaced"
}

/** One a line or separated by commas. */
export function originsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((origin) => origin !== "")
}

/** The instant at which a day begins in UTC; null for no day. */
export function beginningOf(day: string): string | null {
  return day ? `${day}T00:00:00.000Z` : null
}
