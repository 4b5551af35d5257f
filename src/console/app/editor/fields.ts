/** The fields of a trait or a segment as a person edits them, and the document that is made of them. */
import type { Segment, Trait, Version } from "../lib/api.ts"
import type { Change } from "./changes.ts"

export type EditedKind = "traits" | "segments"
export type Edited = Trait | Segment

export interface Fields {
  name: string
  description: string
  expression: string
}

export const FIELDS = ["description", "expression"] as const

export function singular(kind: EditedKind): "trait" | "segment" {
  return kind === "traits" ? "trait" : "segment"
}

export function fieldsOf(definition: Edited): Fields {
  const expression = "expression" in definition ? definition.expression : definition.rule
  return { name: definition.key, description: definition.description, expression }
}

export function fieldsOfVersion({ key, document }: Version): Fields {
  const text = "expression" in document ? (document.expression ?? "") : ""
  return { name: key, description: document.description ?? "", expression: text }
}

/** The whole document: what a save leaves out is erased. */
export function changeOf(kind: EditedKind, fields: Fields, base: number, isStatic: boolean): Change {
  const { name, description, expression } = fields
  const document = isStatic ? { static: true, description } : { expression, description }
  return { kind: singular(kind), key: name, document, expects: base }
}

export interface Merge {
  fields: Fields
  /** What both changed, and differently. Mine is in `fields`. */
  clashes: (typeof FIELDS)[number][]
}

/** Mine where I changed it, theirs elsewhere. */
export function merged(base: Fields, theirs: Fields, mine: Fields): Merge {
  const result: Merge = { fields: { ...theirs }, clashes: [] }
  for (const field of FIELDS) {
    if (mine[field] === base[field] || mine[field] === theirs[field]) continue
    result.fields[field] = mine[field]
    if (theirs[field] !== base[field]) result.clashes.push(field)
  }
  return result
}
