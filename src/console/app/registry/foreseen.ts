/** What an entry of the tracking plan would find among what arrived lately. */
import type { EventPage, PlannedEvent, PlannedProperty, PropertySummary } from "../lib/api.ts"
import { count, plural, value } from "../lib/format.ts"

export interface Foreseen {
  /** A property, or empty for the event as a whole. */
  path: string
  text: string
  /** Whether it breaks the plan for sure; else it depends on values, which the registry does not keep. */
  sure: boolean
}

type Declared = NonNullable<PlannedProperty["type"]>

/** What becomes of values of a type that arrives, if another is declared: docs/reference/registry.md "Conversion". */
const BECOMES: Record<Declared, Record<string, string>> = {
  string: { number: "", boolean: "" },
  number: { string: "those that are not written as a number break the plan" },
  integer: {
    number: "those with a fraction break the plan",
    string: "those that are not written as a whole number break the plan",
  },
  boolean: { string: "those that are neither true nor false break the plan" },
  datetime: { string: "those that are not ISO 8601 with a zone break the plan" },
  list: {},
  object: {},
}

/**
 * Laws: it says nothing that the counts of the registry do not show. Nulls count as absent, and break no type.
 */
export function foreseen(entry: PlannedEvent, found: EventPage | undefined): Foreseen[] {
  if (!found || found.event.total === 0) return []
  const { lately } = found.event
  if (entry.status === "blocked") {
    return [{ path: "", text: `All of it is refused: ${plural(lately, "message")} in the last 7 days.`, sure: true }]
  }
  const arrived = new Map(found.properties.filter(({ types }) => types.length > 0).map((one) => [one.name, one]))
  const planned = Object.entries(entry.properties ?? {})
  const unplanned = entry.additional === false ? unnamed([...arrived.values()], planned) : []
  return [
    ...planned.flatMap(([path, declared]) => ofProperty(path, declared, arrived.get(path))),
    ...unplanned.map(({ name, share }) => ({ path: name, text: `It is not named${inShare(share)}.`, sure: true })),
  ]
}

function ofProperty(path: string, declared: PlannedProperty, found: PropertySummary | undefined): Foreseen[] {
  const lines: Foreseen[] = []
  if (declared.required && (!found || (found.share !== null && found.share < 1))) {
    const missing = found ? `missing in ${percent(1 - (found.share ?? 0))} of the messages` : "never there"
    lines.push({ path, text: `It is required, and ${missing}.`, sure: true })
  }
  for (const { type, n } of found?.types ?? []) {
    if (!declared.type || type === "null" || type === natural(declared.type)) continue
    const becomes = BECOMES[declared.type][type]
    if (becomes === "") continue
    const text = `${count(n)} ${n === 1 ? "value" : "values"} arrived as ${type}: ${becomes ?? `a ${declared.type} is wanted`}.`
    lines.push({ path, text, sure: becomes === undefined })
  }
  return lines
}

/** The type of values that fit as they are. An integer or an instant has none of its own. */
function natural(declared: Declared): string {
  return declared === "integer" || declared === "datetime" ? "" : declared
}

/** Those outermost names that no planned path begins with. What the server adds begins with an underscore. */
function unnamed(
  arrived: PropertySummary[],
  planned: [string, PlannedProperty][],
): { name: string; share: number | null }[] {
  const first = (path: string) => path.split(".")[0] ?? path
  const names = new Set(planned.flatMap(([path]) => [path, first(path)]))
  const found = new Map<string, number | null>()
  for (const { name, share } of arrived) {
    const outer = first(name)
    if (names.has(outer) || outer.startsWith("_")) continue
    const before = found.get(outer) ?? null
    found.set(outer, before === null || share === null ? (before ?? share) : Math.max(before, share))
  }
  return [...found].map(([name, share]) => ({ name, share }))
}

function inShare(share: number | null): string {
  return share === null ? "" : `, and is in ${percent(share)} of the messages`
}

function percent(share: number): string {
  const shown = 100 * share
  return shown > 0 && shown < 0.1 ? "less than 0.1 %" : `${value(Math.round(10 * shown) / 10)} %`
}
