/** What the overview adds up. */
import type { Backfill, FiguresHistory, ListedRevision } from "../lib/api.ts"
import { day } from "../lib/format.ts"

/** What was published on this day of the zone. */
export function publishedToday(revisions: ListedRevision[], now: number, zone: string): ListedRevision[] {
  const today = day(new Date(now).toISOString(), zone)
  return revisions.filter(({ publishedAt }) => day(publishedAt, zone) === today)
}

export function running(backfills: Backfill[]): Backfill[] {
  return backfills.filter(({ status }) => status === "running")
}

export type Minute = FiguresHistory["minutes"][number]

/** A bar for each so many minutes, the last of them ending with the last minute. What is not known of any is null. */
export function grouped(
  minutes: Minute[],
  size: number,
  of: (minute: Minute) => number | null,
  as: "mean" | "most",
): { at: string; n: number | null }[] {
  const bars: { at: string; n: number | null }[] = []
  for (let end = minutes.length; end >= size; end -= size) {
    const part = minutes.slice(end - size, end)
    const known = part.map(of).filter((n): n is number => n !== null)
    const sum = known.reduce((all, n) => all + n, 0)
    const n = known.length === 0 ? null : as === "mean" ? sum / known.length : Math.max(...known)
    bars.unshift({ at: part[0]?.at ?? "", n })
  }
  return bars
}
