/** Questions, their answers and the numbers in them, by kind: what the server's document leaves to `kind`. */
import type * as api from "../../lib/api.ts"
import { flat, type Texts, trimmed } from "./flat.ts"

interface Kinds {
  trend: [api.TrendQuestion, api.TrendAnswer, api.TrendCell]
  active: [api.ActiveQuestion, api.ActiveAnswer, api.ActiveCell]
  stickiness: [api.StickinessQuestion, api.StickinessAnswer, api.StickinessCell]
  frequency: [api.FrequencyQuestion, api.FrequencyAnswer, api.FrequencyCell]
  funnel: [api.FunnelQuestion, api.FunnelAnswer, api.FunnelCell]
  retention: [api.RetentionQuestion, api.RetentionAnswer, api.RetentionCellOf]
  lifecycle: [api.LifecycleQuestion, api.LifecycleAnswer, api.LifecycleCell]
  sessions: [api.SessionsQuestion, api.SessionsAnswer, api.SessionsCell]
  paths: [api.PathsQuestion, api.PathsAnswer, api.PathsCell]
  adoption: [api.AdoptionQuestion, api.AdoptionAnswer, api.AdoptionCell]
  impact: [api.ImpactQuestion, api.ImpactAnswer, api.ImpactCell]
  experiment: [api.ExperimentQuestion, api.ExperimentAnswer, api.ExperimentCell]
}

export type Kind = keyof Kinds
export type Question<K extends Kind = Kind> = { [P in K]: { kind: P } & Kinds[P][0] }[K]
export type Answer<K extends Kind = Kind> = { [P in K]: { kind: P } & Kinds[P][1] }[K]
/** One number of an answer, whose people can be asked for. */
export type Cell<K extends Kind = Kind> = { [P in K]: { kind: P } & Kinds[P][2] }[K]

/** A question, an answer or a cell of whichever kind, of which only the kind matters. */
export interface OfKind {
  kind: Kind
}

export type Bucket = NonNullable<api.TrendQuestion["bucket"]>
export type EventName = NonNullable<api.Series["event"]>
export type Group = api.products_analytics_answers_schemas_Group

/** What a question of a kind has if it says nothing: it is left out of addresses and of what is saved. */
const DEFAULTS: Partial<Record<Kind, Record<string, unknown>>> = {
  trend: { bucket: "day", unit: "person", top: 10, rolling: 0 },
  active: { bucket: "day", event: "*" },
  stickiness: { bucket: "day", event: "*" },
  funnel: { within: "7d", order: "ordered", attribution: "first", top: 10 },
  retention: { bucket: "day", cohort: "first_time", window: "calendar", mode: "on", periods: 12, top: 10 },
  lifecycle: { bucket: "week", event: "*" },
  sessions: { gap: "30m", bucket: "day", top: 10 },
  paths: { depth: 5, gap: "30m", top: 20 },
  adoption: { bucket: "week" },
  impact: { measure: "count", within: "14d" },
}

/** What a question of a kind cannot do without. */
const NEEDED: Partial<Record<Kind, string[]>> = {
  trend: ["series"],
  funnel: ["steps"],
  retention: ["start", "returns"],
  experiment: ["flag", "metrics"],
}

const RANGE = ["last", "from", "to"]

/** A question of some fields; what they lack and it cannot do without is that of another one. */
export function completed<K extends Kind>(fields: { [name: string]: unknown }, by: Question<K>): Question<K> {
  const parts = by as unknown as { [name: string]: unknown }
  const ranged = RANGE.some((name) => fields[name])
  const names = [...(NEEDED[by.kind] ?? []), ...(ranged ? [] : RANGE)]
  const needed = Object.fromEntries(names.flatMap((name) => (name in parts ? [[name, parts[name]]] : [])))
  return { kind: by.kind, ...needed, ...fields } as Question<K>
}

/** The same question without what is the default anyway. */
export function shortest<Q extends OfKind>(question: Q): Q {
  const defaults: Record<string, unknown> = { sample: 1, ...DEFAULTS[question.kind] }
  const short = trimmed(question) as unknown as Record<string, unknown>
  for (const [name, usual] of Object.entries(defaults)) if (short[name] === usual) delete short[name]
  if (Array.isArray(short.series)) short.series = short.series.map((one) => without(one, "measure", "count"))
  if (Array.isArray(short.breakdown)) short.breakdown = short.breakdown.map((one) => without(one, "at", "event"))
  else if (short.breakdown) short.breakdown = without(short.breakdown, "at", "event")
  return short as unknown as Q
}

/** The question that an answer answers: it may still be that of the question before the one in the address. */
export function questionOf<K extends Kind>(answer: Answer<K>, asked: Question<K>): Question<K> {
  return answer.question ? ({ ...answer.question, kind: asked.kind } as Question<K>) : asked
}

/** The question as an address has it. */
export function textsOf<Q extends OfKind>(question: Q): Texts {
  const { kind: _, ...fields } = shortest(question)
  return flat(fields)
}

function without(given: unknown, name: string, usual: unknown): unknown {
  const { [name]: found, ...rest } = given as Record<string, unknown>
  return found === usual ? rest : given
}

/** What a chart calls a group: its values; the words for the rest and for people without one. */
export function nameOfGroup(group: Group): string {
  if (group.kind === "other") return "other"
  if (group.kind === "unknown") return "unknown"
  return (group.values ?? []).map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join(", ")
}

/** What an event is called. */
export function nameOfEvent(event: EventName | undefined): string {
  if (event === undefined || event === "") return ""
  if (event === "*") return "any event"
  if (typeof event === "string") return event
  return event.derived || (event.any ?? []).map((one) => nameOfEvent(one.event)).join(" or ")
}
