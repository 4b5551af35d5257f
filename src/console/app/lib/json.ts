/**
 * JSON whose objects keep the order of their fields.
 *
 * JavaScript puts fields that are whole numbers first, by size. A split over the variants "10" and "9" that is sent back in
 * that order gives people another variant than before.
 *
 * Laws: `written(parsed(text))` has the fields in the order of the text. `entriesOf` knows the order, Object.entries does
 * not. A copy by `{...}` keeps the order within its fields, but not that of its own.
 */

/** An object with a field that is a whole number. No plain object, so that query libraries pass it on as it is. */
class Ordered {
  [name: string]: unknown
}

const orders = new WeakMap<object, readonly string[]>()

const NUMBERED = /^(0|[1-9]\d*)$/
const MAYBE_NUMBERED = /"(\d|\\u003)/
/** A text of JSON; with the colon if it is the name of a field. */
const TEXT = /"(?:[^"\\]|\\.)*"(\s*:)?/g
/** Before a name, it keeps a number from being one. */
const MARK = "~"

/** What a JSON text says. Fails as JSON.parse does. */
export function parsed(text: string): unknown {
  const found: unknown = JSON.parse(text)
  if (!MAYBE_NUMBERED.test(text)) return found
  return unmarked(JSON.parse(text.replace(TEXT, (one, colon) => (colon ? `"${MARK}${one.slice(1)}` : one))))
}

/** A value as JSON. */
export function written(value: unknown, indent?: number): string {
  const text = JSON.stringify(marked(value), null, indent)
  return text.replace(TEXT, (one, colon) => (colon ? `"${one.slice(1 + MARK.length)}` : one))
}

/** The fields of an object, in their order. */
export function entriesOf<Value>(of: Record<string, Value>): [string, Value][] {
  return namesOf(of).map((name) => [name, of[name] as Value])
}

/** The names of an object's fields, in their order. */
export function namesOf(of: object): string[] {
  return [...(orders.get(of) ?? Object.keys(of))]
}

/** The object with these fields, in this order. Of a name that comes twice, the last value counts. */
export function recordOf<Value>(entries: readonly (readonly [string, Value])[]): Record<string, Value> {
  const plain = Object.fromEntries(entries)
  if (!entries.some(([name]) => NUMBERED.test(name))) return plain
  const ordered = Object.defineProperties(new Ordered(), Object.getOwnPropertyDescriptors(plain))
  orders.set(ordered, [...new Set(entries.map(([name]) => name))])
  return ordered as Record<string, Value>
}

/** Whether two values are the same JSON, also in the order of their fields. */
export function isSameJson(a: unknown, b: unknown): boolean {
  return a === undefined || b === undefined ? a === b : written(a) === written(b)
}

function unmarked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unmarked)
  if (typeof value !== "object" || value === null) return value
  return recordOf(Object.entries(value).map(([name, one]) => [name.slice(MARK.length), unmarked(one)]))
}

function marked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(marked)
  if (typeof value !== "object" || value === null) return value
  const fields = entriesOf(value as Record<string, unknown>)
  return Object.fromEntries(fields.map(([name, one]) => [MARK + name, marked(one)]))
}
