/** What a trait or a segment can begin with. */
import type { EventSummary } from "../../lib/api.ts"
import type { EditedKind } from "../fields.ts"

const OFFERED = 4

/** Events that the server adds by itself, and names that need quotes, are not offered. */
export function firstTexts(events: Pick<EventSummary, "name" | "lately">[], kind: EditedKind): string[] {
  return events
    .filter(({ name }) => /^[a-z]\w*$/i.test(name))
    .toSorted((a, b) => b.lately - a.lately)
    .slice(0, OFFERED)
    .map(({ name }) => `events.${name}.count_30d${kind === "segments" ? " >= 2" : ""}`)
}
