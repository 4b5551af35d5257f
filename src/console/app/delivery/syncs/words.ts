/** How syncs are, and what they send, in words. */
import type { SyncDocument, SyncHealth } from "../../lib/api.ts"
import { written } from "../../lib/json.ts"

export type Condition = "active" | "failing" | "ended early" | "comparing" | "braked" | "paused"

/** What a person has to decide stands above what a run met, and that above what it does. */
export function conditionOf(of: SyncHealth): Condition {
  if (of.state === "paused" || of.state === "braked") return of.state
  if (of.problem) return "ended early"
  if (of.counts.failed + of.counts.failedRemovals > 0) return "failing"
  return of.scan ? "comparing" : "active"
}

export const MODES: Record<string, string> = {
  upsert: "creates and changes records",
  mirror: "keeps the receiver to the members and no one else",
  audience: "adds and removes members",
}

export const LEAVING: Record<string, string> = {
  nothing: "the receiver keeps the record",
  clear: "fields are sent as null",
  remove: "the record is removed",
  delete: "the record is deleted",
}

/** What the first value of `onLeave` is for each mode. */
const USUAL: Record<string, string> = { upsert: "nothing", mirror: "delete", audience: "remove" }

/** The values of `onLeave` that a mode takes, its own first. */
export const ON_LEAVE: Record<string, string[]> = {
  upsert: ["nothing", "clear", "remove", "delete"],
  mirror: ["delete", "remove"],
  audience: ["remove", "delete"],
}

export function leavingOf(of: Partial<SyncDocument>): string {
  return of.onLeave ?? USUAL[of.mode ?? "upsert"] ?? "nothing"
}

/** A key or a record on one line. */
export function line(of: unknown): string {
  return written(of)
}
