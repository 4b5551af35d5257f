/** The document of a sync as it is edited. */
import type { SyncDocument } from "../../lib/api.ts"
import type { Document } from "../form/document.ts"
import { type FieldSpec, fits } from "../form/types.ts"

export const RECORD: FieldSpec[] = [
  {
    name: "mapping",
    label: "Record",
    hint: "A mapping of expressions: what the receiver gets of each person.",
    kind: "json",
    placeholder: '{"email": {"expr": "profile.email", "as": "lower_trim"}}',
    needed: true,
  },
  {
    name: "match",
    label: "Match by",
    hint: "Fields of the record by which the receiver knows the person, one a line. Dots lead into objects.",
    kind: "lines",
    placeholder: "email",
    needed: true,
  },
]

export const CLEAR: FieldSpec = {
  name: "clear",
  label: "Fields to clear",
  hint: "They are sent as null. One a line.",
  kind: "lines",
  needed: true,
}

export const PACE: FieldSpec[] = [
  { name: "everySeconds", label: "Seconds between runs", hint: "1 to 86,400.", kind: "number", usual: 60 },
  {
    name: "nightly",
    label: "Everybody is compared at",
    hint: "In the time zone of the environment.",
    kind: "text",
    usual: "03:00",
    placeholder: "03:00",
  },
]

export const REQUESTS: FieldSpec = {
  name: "requests",
  label: "Requests",
  hint: "Of an HTTP destination: what is different for an operation.",
  kind: "json",
  placeholder:
    '{"remove": {"url": "https://api.example.com/people/{email}", "parameters": {"email": {"field": "key.email"}}}}',
}

export function newSync(destination = ""): Document {
  return { destination, mapping: { email: { expr: "profile.email", as: "lower_trim" } }, match: ["email"] }
}

/** Whether the form can show all that it looks into; the server says all else. */
export function isFormed(of: Document): of is Document & Partial<SyncDocument> {
  const { name = "", description = "", destination = "", segment = "", filter = "", mode = "upsert" } = of
  const { onLeave = null, brake = 0.2, paused = false } = of
  return (
    [name, description, destination, segment, filter, mode].every((one) => typeof one === "string") &&
    (onLeave === null || typeof onLeave === "string") &&
    typeof brake === "number" &&
    typeof paused === "boolean" &&
    [...RECORD, CLEAR, ...PACE, REQUESTS].every((field) => fits(field, of[field.name]))
  )
}

/** The label of what was not filled in yet; "" if all is. */
export function missing(of: Document): string {
  if (!of.destination) return "Destination"
  return RECORD.find(({ name }) => isEmpty(of[name]))?.label ?? ""
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0)
}
