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
  return {
    name,
    type: declared.type ?? "",
    required: declared.required ?? false,
    description: declared.description ?? "",
    values: (declared.values ?? []).map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join("\n"),
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
  const values = row.values.split("\n").filter((line) => line.trim() !== "")
  if (values.length > 0) declared.values = values.map((line) => typedAs(line.trim(), row.type))
  if (row.minimum.trim()) declared.minimum = numberOf(row.minimum)
  if (row.maximum.trim()) declared.maximum = numberOf(row.maximum)
  if (row.maxLength.trim()) declared.maxLength = numberOf(row.maxLength)
  return declared
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
