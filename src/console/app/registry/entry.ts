/** An entry of the tracking plan as a form has it: all fields are texts, and properties are rows in their order. */
import type { EventPage, PlannedEvent, PlannedProperty } from "../lib/api.ts"

export const TYPES = ["string", "number", "integer", "boolean", "datetime", "list", "object"] as const
type Declared = (typeof TYPES)[number]

export interface Row {
  name: string
  type: Declared | ""
  required: boolean
  description: string
  /** One a line. */
  values: string
  /** The values as the plan has them, and of which type: a line says less, `1` may be a text too. */
  given?: { type: Declared | ""; values: unknown[] }
  minimum: string
  maximum: string
  maxLength: string
  revenue: boolean
}

export interface Fields {
  description: string
  owner: string
  status: NonNullable<PlannedEvent["status"]>
  enforce: NonNullable<PlannedEvent["enforce"]>
  additional: boolean
  visible: boolean
  rows: Row[]
}

export function fieldsOf(entry: PlannedEvent): Fields {
  return {
    description: entry.description ?? "",
    owner: entry.owner ?? "",
    status: entry.status ?? "active",
    enforce: entry.enforce ?? "warn",
    additional: entry.additional ?? true,
    visible: entry.visible ?? true,
    rows: Object.entries(entry.properties ?? {}).map(([name, declared]) => rowOf(name, declared)),
  }
}

export function rowOf(name: string, declared: PlannedProperty = {}): Row {
  const type = declared.type ?? ""
  return {
    name,
    type,
    required: declared.required ?? false,
    description: declared.description ?? "",
    values: (declared.values ?? []).map(lineOf).join("\n"),
    ...(declared.values?.length ? { given: { type, values: declared.values } } : {}),
    minimum: textOf(declared.minimum),
    maximum: textOf(declared.maximum),
    maxLength: textOf(declared.maxLength),
    revenue: declared.revenue ?? false,
  }
}

/** The whole entry: what it leaves out is as by default. Rows without a name are left out. */
export function entryOf(fields: Fields): PlannedEvent {
  return {
    description: fields.description.trim(),
    owner: fields.owner.trim(),
    status: fields.status,
    enforce: fields.enforce,
    additional: fields.additional,
    visible: fields.visible,
    properties: Object.fromEntries(
      fields.rows.filter(({ name }) => name.trim() !== "").map((row) => [row.name.trim(), declaredOf(row)]),
    ),
  }
}

function declaredOf(row: Row): PlannedProperty {
  const declared: PlannedProperty = { description: row.description.trim() }
  if (row.type) declared.type = row.type
  if (row.required) declared.required = true
  if (row.revenue) declared.revenue = true
  const values = valuesOf(row)
  if (values.length > 0) declared.values = values
  if (row.minimum.trim()) declared.minimum = numberOf(row.minimum)
  if (row.maximum.trim()) declared.maximum = numberOf(row.maximum)
  if (row.maxLength.trim()) declared.maxLength = numberOf(row.maxLength)
  return declared
}

function lineOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value)
}

/** A line that was not changed is the value that it came from, unless another type was chosen since. */
function valuesOf({ values: text, type, given }: Row): unknown[] {
  const left = given?.type === type ? [...given.values] : []
  if (left.length > 0 && text === left.map(lineOf).join("\n")) return left
  return text.split("\n").flatMap((line) => {
    const at = left.findIndex((one) => lineOf(one) === line)
    if (at >= 0) return left.splice(at, 1)
    return line.trim() === "" ? [] : [typedAs(line.trim(), type)]
  })
}

/** A name that two rows have: only one of them would be kept. */
export function doubled(fields: Fields): string | undefined {
  const names = fields.rows.map(({ name }) => name.trim()).filter((name) => name !== "")
  return names.find((name, index) => names.indexOf(name) !== index)
}

/** Rows for the properties that arrive and are not named yet, each with its most frequent type. */
export function arrivingRows(fields: Fields, found: EventPage | undefined): Row[] {
  const named = new Set(fields.rows.map(({ name }) => name))
  return (found?.properties ?? [])
    .filter(({ name, types }) => types.length > 0 && !named.has(name))
    .map(({ name, type }) => rowOf(name, { type: TYPES.find((known) => known === type) }))
}

function textOf(n: number | null | undefined): string {
  return n === null || n === undefined ? "" : String(n)
}

/** What is no number is sent as it is: the server says what is wrong with it. */
function numberOf(text: string): number {
  const n = Number(text)
  return Number.isNaN(n) ? (text as unknown as number) : n
}

function typedAs(text: string, type: Row["type"]): unknown {
  if (type === "number" || type === "integer") return numberOf(text)
  if (type === "boolean") return { true: true, false: false }[text] ?? text
  return text
}
