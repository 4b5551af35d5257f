/** What the overview adds up. */
import type { Backfill, ListedRevision } from "../lib/api.ts"
import { day } from "../lib/format.ts"

/** What was published on this day of the zone. */
export function publishedToday(revisions: ListedRevision[], now: number, zone: string): ListedRevision[] {
  const today = day(new Date(now).toISOString(), zone)
  return revisions.filter(({ publishedAt }) => day(publishedAt, zone) === today)
}

export function running(backfills: Backfill[]): Backfill[] {
  return backfills.filter(({ status }) => status === "running")
}
