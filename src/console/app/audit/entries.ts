/** What the entries of the audit log say. */
import type { AuditEntry } from "../lib/api.ts"
import { plural } from "../lib/format.ts"

export type Kind = AuditEntry["kind"]

export const KINDS: { kind: Kind; title: string }[] = [
  { kind: "revision", title: "Definitions" },
  { kind: "flag", title: "Kill switches" },
  { kind: "analytics", title: "Saved analytics" },
  { kind: "destination", title: "Destinations" },
  { kind: "sync", title: "Syncs" },
  { kind: "policy", title: "Policies" },
  { kind: "plan", title: "Tracking plan" },
  { kind: "key", title: "Keys" },
  { kind: "merge", title: "Merges" },
  { kind: "erasure", title: "Erasures" },
  { kind: "import", title: "Imports" },
  { kind: "export", title: "Exports" },
]

/** What happened, before the name of what it happened to: “Killed the flag” and `paywall`. */
export function deed(entry: AuditEntry): string {
  const done = entry.action[0]?.toUpperCase() + entry.action.slice(1)
  switch (entry.kind) {
    case "revision":
      return "Published revision"
    case "flag":
      return `${done} the flag`
    case "analytics":
      return `${done} the`
    case "destination":
      return `${done} the destination`
    case "sync":
      return `${done} the sync`
    case "policy":
      return `${done} the policy`
    case "plan":
      return `${done} the plan of`
    case "key":
      return `${done} the key`
    case "merge":
      if (entry.action === "undone") return "Undid a merge of"
      return entry.action === "split" ? "Split identifiers from" : "Merged into"
    case "erasure":
      return done
    case "import":
      return "Started the import of"
    case "export":
      if (entry.action === "saved" || entry.action === "deleted") return done
      return entry.action === "removed" ? "Removed the file" : `${done} the export of`
  }
}

/** What it happened to, as a person calls it. */
export function subject(entry: AuditEntry): string {
  if (entry.kind === "revision") return entry.id
  if (entry.kind === "merge") return `profile ${entry.name}`
  if (entry.kind === "erasure") return plural(Number(entry.name), "profile")
  return entry.name
}

/** The first instant of a day in the log's filters, or of the day after it; undefined for no day. */
export function bound(day: string | undefined, after = false): string | undefined {
  if (!day || !/^\d{4}-\d\d-\d\d$/.test(day)) return undefined
  const start = Date.parse(`${day}T00:00:00Z`)
  return Number.isNaN(start) ? undefined : new Date(start + (after ? 86_400_000 : 0)).toISOString()
}
