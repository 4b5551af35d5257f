/**
 * The document of a flag as it is edited. Its text is the truth: the form reads it and writes it.
 *
 * Laws: what an edit does not name stays as it was, with the order of its fields, also what this form does not know.
 */
import type { FlagBody, OverrideBody, RuleBody } from "../../lib/api.ts"
import { entriesOf, isSameJson, namesOf, parsed, recordOf, written } from "../../lib/json.ts"
import { even, joined, type Split, without } from "../split.ts"

export function textOf(document: FlagBody): string {
  return `${written(document, 2)}\n`
}

/** The document of a text, or what keeps it from being one. */
export function readDocument(text: string): FlagBody | string {
  try {
    const found = parsed(text)
    return isObject(found) ? misshapen(found) || (found as FlagBody) : "The text is no JSON object."
  } catch (problem) {
    return problem instanceof Error ? problem.message : String(problem)
  }
}

type Shape = "text" | "object" | "list" | { each: Record<string, Shape> }

/** What the form looks into has to be of this shape; the server says all else. */
const SHAPES: Record<string, Shape> = {
  rule: "text",
  type: "text",
  offVariant: "text",
  description: "text",
  variants: "object",
  default: "object",
  metadata: "object",
  holdouts: "list",
  prerequisites: { each: { flag: "text", variants: "list" } },
  overrides: { each: { serve: "text", profile: "text", segment: "text", identifier: "object" } },
  rules: { each: { when: "text", id: "text", serve: "text", split: "object", exclusion: "object" } },
  schedule: { each: { at: "text", set: "object" } },
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** What in the document has another shape than the form can show; "" if nothing has. */
function misshapen(of: Record<string, unknown>, shapes = SHAPES, path = "$"): string {
  for (const [name, shape] of Object.entries(shapes)) {
    const value = of[name]
    const at = `${path}.${name}`
    if (value === undefined || value === null) continue
    if (shape === "text" && typeof value !== "string") return `${at} is no text.`
    if (shape === "object" && !isObject(value)) return `${at} is no object.`
    if ((shape === "list" || typeof shape === "object") && !Array.isArray(value)) return `${at} is no list.`
    if (typeof shape !== "object") continue
    for (const [index, one] of (value as unknown[]).entries()) {
      if (!isObject(one)) return `${at}[${index}] is no object.`
      const wrong = misshapen(one, shape.each, `${at}[${index}]`)
      if (wrong) return wrong
    }
  }
  return ""
}

/** A boolean flag with one rule: the shortest there is. */
export function newFlag(when = ""): FlagBody {
  return {
    type: "boolean",
    variants: { on: true, off: false },
    offVariant: "off",
    default: { serve: "off" },
    enabled: true,
    rules: [{ id: "rule", when, serve: "on" }],
  }
}

/** The document with what the server adds to it: `{"rule": …}` is short for a boolean flag with one rule. */
export function whole(of: FlagBody): FlagBody {
  const { rule, ...rest } = of
  const type = of.type ?? "boolean"
  const variants = of.variants ?? (type === "boolean" ? { on: true, off: false } : {})
  const offVariant = of.offVariant ?? ("off" in variants ? "off" : (namesOf(variants)[0] ?? ""))
  const rules = (of.rules ?? (rule === undefined ? [] : [{ id: "rule", when: rule, serve: "on" }])).map((one, index) =>
    one.id === undefined ? { id: `rule${index + 1}`, ...one } : one,
  )
  const { enabled = true, default: otherwise } = of
  return { ...rest, type, variants, offVariant, default: otherwise ?? { serve: offVariant }, enabled, rules }
}

/** Whether three fields say all of it: it is on where one condition holds. */
export function isPlain(of: FlagBody): boolean {
  const { key: _, description: __, rules, ...rest } = whole(of)
  const { rules: plain, ...others } = newFlag()
  const [rule, ...more] = rules ?? []
  const sorted = (one: object) => recordOf(entriesOf(one as Record<string, unknown>).sort())
  return (
    isSameJson(sorted(rest), sorted(others)) &&
    more.length === 0 &&
    rule !== undefined &&
    isSameJson(sorted({ ...rule, when: "" }), sorted(plain?.[0] ?? {}))
  )
}

/** The list with one item at another place. */
export function moved<Item>(list: readonly Item[], from: number, to: number): Item[] {
  const next = [...list]
  const [item] = next.splice(from, 1)
  if (item !== undefined) next.splice(Math.min(Math.max(to, 0), next.length), 0, item)
  return next
}

export function replaced<Item>(list: readonly Item[], at: number, item: Item): Item[] {
  return list.map((one, index) => (index === at ? item : one))
}

export function removed<Item>(list: readonly Item[], at: number): Item[] {
  return list.filter((_, index) => index !== at)
}

/** The object with a field, or without it where there is nothing to say. */
export function withField<Of extends object, Name extends keyof Of>(
  of: Of,
  name: Name,
  value: Of[Name] | undefined,
): Of {
  if (value !== undefined) return { ...of, [name]: value }
  const { [name]: _, ...rest } = of
  return rest as Of
}

/** The record with a value under a name, in its place, or at the end if the name is new. */
export function put<Value>(of: Record<string, Value>, name: string, value: Value): Record<string, Value> {
  return recordOf([...entriesOf(of).map(([one, kept]) => [one, one === name ? value : kept] as const), [name, value]])
}

export function dropped<Value>(of: Record<string, Value>, name: string): Record<string, Value> {
  return recordOf(entriesOf(of).filter(([one]) => one !== name))
}

export function renamed<Value>(of: Record<string, Value>, from: string, to: string): Record<string, Value> {
  return recordOf(entriesOf(of).map(([name, value]) => [name === from ? to : name, value]))
}

/** An id that no rule has. */
export function freeId(rules: readonly RuleBody[], wanted = "rule"): string {
  const taken = new Set(rules.map(({ id }, index) => id || `rule${index + 1}`))
  if (!taken.has(wanted)) return wanted
  let n = 2
  while (taken.has(`${wanted}${n}`)) n += 1
  return `${wanted}${n}`
}

/** A name that no variant has. */
export function freeName(names: readonly string[]): string {
  let n = names.length + 1
  while (names.includes(`variant${n}`)) n += 1
  return `variant${n}`
}

/** The rule serves one variant, or splits over several: never both. */
export function serving(rule: RuleBody, serve: string): RuleBody {
  const { split: _, ...rest } = rule
  return { ...rest, serve }
}

export function splitting(rule: RuleBody, variants: readonly string[]): RuleBody {
  const { serve: _, ...rest } = rule
  return { ...rest, split: even(variants) }
}

/** The split over one variant more or less. */
export function toggled(split: Split, variant: string): Split {
  return variant in split ? without(split, variant) : joined(split, variant)
}

/** Everything in the document that names the variant names it anew, but for the schedule's steps and other flags. */
export function renamedVariant(of: FlagBody, from: string, to: string): FlagBody {
  const served = <Part extends { serve?: string }>(part: Part): Part =>
    part.serve === from ? { ...part, serve: to } : part
  const next: FlagBody = { ...of }
  if (of.variants) next.variants = renamed(of.variants, from, to)
  if (of.offVariant === from) next.offVariant = to
  if (of.default) next.default = served(of.default)
  if (of.overrides) next.overrides = of.overrides.map((one): OverrideBody => served(one))
  if (of.rules)
    next.rules = of.rules.map((rule) => (rule.split ? { ...rule, split: renamed(rule.split, from, to) } : served(rule)))
  return next
}

/** The variants that something in the document names: they cannot go. */
export function variantsInUse(of: FlagBody): Set<string> {
  const found = new Set<string>([of.offVariant ?? "", of.default?.serve ?? ""])
  for (const { serve, split } of of.rules ?? [])
    for (const name of serve ? [serve] : namesOf(split ?? {})) found.add(name)
  for (const { serve } of of.overrides ?? []) found.add(serve)
  return found
}

export interface Merge {
  document: FlagBody
  /** The fields that both changed, and differently. Mine is in the document. */
  clashes: string[]
}

/** Mine where I changed a field, theirs elsewhere. */
export function merged(base: FlagBody, theirs: FlagBody, mine: FlagBody): Merge {
  const result: Record<string, unknown> = { ...theirs }
  const clashes: string[] = []
  const began = { ...base } as Record<string, unknown>
  const published = { ...theirs } as Record<string, unknown>
  const wanted = { ...mine } as Record<string, unknown>
  for (const field of new Set([...Object.keys(began), ...Object.keys(wanted)])) {
    if (isSameJson(wanted[field], began[field]) || isSameJson(wanted[field], published[field])) continue
    if (wanted[field] === undefined) delete result[field]
    else result[field] = wanted[field]
    if (!isSameJson(published[field], began[field])) clashes.push(field)
  }
  return { document: result as FlagBody, clashes }
}

/** The value that a text stands for in a flag of this type; nothing if it stands for none of it. */
export function typedValue(type: string, text: string): unknown {
  if (type === "string") return text
  try {
    const value = parsed(text)
    return fits(type, value) ? value : undefined
  } catch {
    return undefined
  }
}

function fits(type: string, value: unknown): boolean {
  if (type === "object") return typeof value === "object" && value !== null
  if (type === "integer") return Number.isInteger(value)
  if (type === "float") return typeof value === "number"
  return type === "json" || typeof value === type
}

/** A value that a new variant of this type may begin with. */
export function firstValue(type: string): unknown {
  return type === "boolean" ? true : type === "string" ? "" : type === "object" ? {} : 0
}

/** The values as the type has them, where they can be; else what a new variant begins with. */
export function retyped(variants: Record<string, unknown>, type: string): Record<string, unknown> {
  return recordOf(
    entriesOf(variants).map(([name, value], index) => {
      if (fits(type, value)) return [name, value]
      if (type === "string") return [name, typeof value === "object" ? written(value) : String(value)]
      return [name, type === "boolean" ? index === 0 : firstValue(type)]
    }),
  )
}
