/** The number of an answer that is looked at, as an address has it: `cell.step=2&cell.status=dropped`. */
import { flat, type Texts, unflat } from "./flat.ts"
import type { Cell, Kind, OfKind } from "./question.ts"

/** Those of the parameters that say which number; `cell` alone is one that needs no field. */
export function cellTexts(texts: Texts): Texts {
  return Object.fromEntries(Object.entries(texts).filter(([path]) => isOfCell(path)))
}

export function cellIn<K extends Kind>(kind: K, texts: Texts): Cell<K> | undefined {
  const own = cellTexts(texts)
  if (Object.keys(own).length === 0) return undefined
  return { kind, ...(unflat(own).cell as object) } as Cell<K>
}

/** The parameters with another number, or without one. */
export function withCell(texts: Texts, cell: OfKind | undefined): Texts {
  const others = Object.fromEntries(Object.entries(texts).filter(([path]) => !isOfCell(path)))
  if (!cell) return others
  const { kind: _, ...fields } = cell
  return { ...others, ...flat(fields, "cell") }
}

function isOfCell(path: string): boolean {
  return path === "cell" || path.startsWith("cell.")
}
