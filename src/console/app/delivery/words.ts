/** How destinations are, and what they get, in words. */
import type { DestinationHealth } from "../lib/api.ts"

/** What happens that can be sent. */
export const TYPES: Record<string, string> = {
  "segment.entered": "a profile enters a segment",
  "segment.exited": "a profile leaves a segment",
  "profile.merged": "two profiles become one",
  "profile.unmerged": "a merge is undone, or a profile is split",
  "flag.changed": "a flag is created, changed or deleted",
  event: "a message is stored: track, page, screen, identify, group",
}

/** Types of destinations. */
export const KINDS: Record<string, string> = {
  webhook: "Webhook",
  http: "HTTP request",
  smtp: "E-mail",
  postgres: "Postgres",
  clickhouse: "ClickHouse",
  s3: "S3",
  delta: "Delta Lake",
  kafka: "Kafka",
}

/** The type of a document; a document without one is a webhook. */
export function typeOf(document: Record<string, unknown>): string {
  return typeof document.type === "string" ? document.type : "webhook"
}

/** Types that get records in batches. */
export const BATCHED = ["postgres", "clickhouse", "s3", "delta", "kafka"]

/** Types that get records of people from syncs. */
export const SYNCED = ["webhook", "http"]

/** Where it leads, as far as the document says it in a field that types share. */
export function addressOf(document: Record<string, unknown>): string {
  return ["url", "host", "bucket", "brokers"].flatMap((name) => document[name]).find(isText) ?? ""
}

function isText(value: unknown): value is string {
  return typeof value === "string"
}

export type Condition = "active" | "failing" | "not answering" | "paused" | "disabled"

export function conditionOf(of: DestinationHealth): Condition {
  if (of.state === "paused" || of.state === "disabled") return of.state
  if (of.probeAt !== null) return "not answering"
  return of.failingSince === null ? "active" : "failing"
}

/** A length of time in its largest unit: 40 s, 3 min, 2 h, 5 d. */
export function span(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}
