/** Changes to how the columns of a file are read. */
import type { ImportMapping } from "../lib/api.ts"

/** What a column becomes: a field, or a property under its own name. */
export type Target = string

export const PROPERTY: Target = ""

/** The mapping in which the column becomes this, and no other column does. */
export function mapped(mapping: ImportMapping, column: string, target: Target, guessed: string | null): ImportMapping {
  const others = Object.entries(mapping.columns).filter(([field, name]) => name !== column && field !== target)
  if (target !== PROPERTY) return { ...mapping, columns: { ...Object.fromEntries(others), [target]: column } }
  // A column that is named like a field is that field unless it is sent elsewhere.
  const columns = guessed ? [...others, [`properties.${column}`, column]] : others
  return { ...mapping, columns: Object.fromEntries(columns) }
}

/** The mapping in which every row has this value in the field; without a value, none is fixed. */
export function fixed(mapping: ImportMapping, field: string, value: string): ImportMapping {
  const others = Object.entries(mapping.fixed).filter(([name]) => name !== field)
  return { ...mapping, fixed: Object.fromEntries(value ? [...others, [field, value]] : others) }
}

/** The mapping in which the numbers of the column stay texts, or not. */
export function asText(mapping: ImportMapping, column: string, text: boolean): ImportMapping {
  const others = mapping.text.filter((name) => name !== column)
  return { ...mapping, text: text ? [...others, column] : others }
}
