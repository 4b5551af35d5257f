import type { PerPerson, Series } from "../../lib/api.ts"

interface MeasureChoice {
  value: string
  title: string
  group: string
  /** It is of a property. */
  of?: boolean
}

const THEN = { sum: "total", count: "number" } as const

/** What can be measured. The value is the measure, or for one of each person first: `sum/median`. */
export const MEASURES: MeasureChoice[] = [
  { value: "count", title: "Number of events", group: "Events and people" },
  { value: "people", title: "People", group: "Events and people" },
  { value: "per_person", title: "Events per person", group: "Events and people" },
  { value: "sum", title: "Sum of", group: "Of a property", of: true },
  { value: "avg", title: "Average of", group: "Of a property", of: true },
  { value: "median", title: "Median of", group: "Of a property", of: true },
  { value: "p90", title: "90th percentile of", group: "Of a property", of: true },
  { value: "p99", title: "99th percentile of", group: "Of a property", of: true },
  { value: "min", title: "Smallest", group: "Of a property", of: true },
  { value: "max", title: "Largest", group: "Of a property", of: true },
  { value: "distinct", title: "Different values of", group: "Of a property", of: true },
  { value: "count/median", title: `Median ${THEN.count} of events a person`, group: "Of each person first" },
  { value: "sum/avg", title: `Average ${THEN.sum} a person, of`, group: "Of each person first", of: true },
  { value: "sum/median", title: `Median ${THEN.sum} a person, of`, group: "Of each person first", of: true },
]

export function measureText(measure: Series["measure"] = "count"): string {
  return typeof measure === "string" ? measure : `${measure.perPerson}/${measure.then}`
}

export function measureOf(text: string): string | PerPerson {
  const [perPerson = "", then] = text.split("/")
  return then === undefined ? text : { perPerson, then }
}

export function isOfProperty(text: string): boolean {
  return MEASURES.find(({ value }) => value === text)?.of ?? !["count", "people", "per_person"].includes(text)
}
