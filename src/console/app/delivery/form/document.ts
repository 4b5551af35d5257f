/**
 * The document of a destination as it is edited. Its text is the truth: the form reads it and writes it.
 *
 * Laws: what an edit does not name stays as it was, with the order of its fields, also what this form does not know.
 */
import { parsed, written } from "../../lib/json.ts"
import { BATCHED, typeOf } from "../words.ts"
import { FIELDS, fits, HEADED, NARROWED, OF_EVENTS } from "./types.ts"

export type Document = Record<string, unknown>

/** prefix: what stands before the value, such as `Bearer `. */
export interface FromVariable {
  env: string
  prefix?: string
}

export type Headers = Record<string, string | FromVariable>

/** A document that the form can show. */
export interface FormedDocument extends Document {
  name?: string
  description?: string
  events?: string[]
  segments?: string[]
  where?: string
  headers?: Headers
  rate?: number
  concurrency?: number
  batch?: { rows?: number | null; seconds?: number | null }
  paused?: boolean
}

export function textOf(document: Document): string {
  return `${written(document, 2)}\n`
}

/** The document of a text, or what keeps it from being one. */
export function readDocument(text: string): Document | string {
  try {
    const found = parsed(text)
    return isObject(found) ? found : "The text is no JSON object."
  } catch (problem) {
    return problem instanceof Error ? problem.message : String(problem)
  }
}

/** Whether the form can show all that it looks into; the server says all else. */
export function isFormed(of: Document): of is FormedDocument {
  const { type = "webhook", name = "", description = "", where = "", events = [], segments = [], headers = {} } = of
  const { rate = 0, concurrency = 8, batch = {}, paused = false } = of
  const fields = typeof type === "string" ? FIELDS[type] : undefined
  return (
    fields !== undefined &&
    [...fields, ...NARROWED, ...OF_EVENTS].every((field) => fits(field, of[field.name])) &&
    [name, description, where].every((one) => typeof one === "string") &&
    isTexts(events) &&
    isTexts(segments) &&
    isObject(headers) &&
    Object.values(headers).every(isHeader) &&
    isObject(batch) &&
    Object.values(batch).every((one) => one === null || typeof one === "number") &&
    typeof rate === "number" &&
    typeof concurrency === "number" &&
    typeof paused === "boolean"
  )
}

function isHeader(one: unknown): boolean {
  return typeof one === "string" || (isObject(one) && Object.values(one).every((part) => typeof part === "string"))
}

export function newDocument(): FormedDocument {
  return { url: "", events: ["segment.entered", "segment.exited"] }
}

/** The document as one of another type: what both types have stays. */
export function withType(of: Document, type: string): Document {
  const kept = new Set([
    ...EVERY,
    ...(FIELDS[type] ?? []).map(({ name }) => name),
    ...(BATCHED.includes(type) ? BATCH : PACE),
    ...(HEADED.includes(type) ? ["headers"] : []),
  ])
  const { type: _, ...rest } = of
  // Of two types a field of the same name may have another shape.
  const same = (name: string) => {
    const field = FIELDS[type]?.find((one) => one.name === name)
    const before = FIELDS[typeOf(of)]?.find((one) => one.name === name)
    return field === undefined || field.kind === before?.kind
  }
  const next = Object.fromEntries(Object.entries(rest).filter(([name]) => kept.has(name) && same(name)))
  return type === "webhook" ? next : { type, ...next }
}

const EVERY = "key name description events segments eventNames consent sample where paused".split(" ")
const PACE = ["rate", "concurrency"]
const BATCH = ["batch"]

/** The document with a field, or without it where there is nothing to say. */
export function withField(of: Document, name: string, value: unknown): Document {
  if (value !== undefined) return { ...of, [name]: value }
  const { [name]: _, ...rest } = of
  return rest
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string")
}
