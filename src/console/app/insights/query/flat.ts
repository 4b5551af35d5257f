/**
 * An object as texts by path, as an address has them: `series.0.event=purchase&last=30d`.
 *
 * Laws: `unflat(flat(given))` is `given` without what means the same if it is left out: undefined, null, "", false, and
 *       empty lists and objects as fields. As items of a list they stay.
 */

export type Texts = Record<string, string>

type Plain = string | number | boolean | null | Plain[] | { [name: string]: Plain | undefined }

/** Texts that would be read as something else. */
const TELLING = /^(-?\d+(\.\d+)?(e[+-]?\d+)?|true|false|null|\{\}|\[\]|'.*|)$/is

export function flat(given: unknown, prefix = ""): Texts {
  const found: Texts = {}
  put(found, prefix, given as Plain)
  return found
}

function put(found: Texts, path: string, given: Plain): void {
  if (typeof given === "string") found[path] = TELLING.test(given) ? `'${given}` : given
  else if (typeof given !== "object" || given === null) found[path] = String(given)
  else if (Array.isArray(given)) {
    if (given.length === 0) found[path] = "[]"
    for (const [index, item] of given.entries()) put(found, `${path}.${index}`, item)
  } else {
    const before = Object.keys(found).length
    for (const [name, field] of Object.entries(given))
      if (!isNothing(field)) put(found, path ? `${path}.${name}` : name, field as Plain)
    if (Object.keys(found).length === before && path) found[path] = "{}"
  }
}

function isNothing(field: unknown): boolean {
  if (field === undefined || field === null || field === "" || field === false) return true
  return typeof field === "object" && Object.keys(trimmed(field)).length === 0
}

/** Without what means the same if it is left out. */
export function trimmed<Given>(given: Given): Given {
  if (Array.isArray(given)) return given.map(trimmed) as Given
  if (typeof given !== "object" || given === null) return given
  const fields = Object.entries(given).flatMap(([name, field]) => (isNothing(field) ? [] : [[name, trimmed(field)]]))
  return Object.fromEntries(fields) as Given
}

export function unflat(texts: Texts): { [name: string]: unknown } {
  const root: Branch = new Map()
  for (const [path, text] of Object.entries(texts)) {
    const names = path.split(".")
    const last = names.pop() ?? ""
    let at = root
    for (const name of names) {
      const next = at.get(name)
      const branch: Branch = next instanceof Map ? next : new Map()
      at.set(name, branch)
      at = branch
    }
    at.set(last, text)
  }
  return Object.fromEntries([...root].map(([name, branch]) => [name, grown(branch)]))
}

type Branch = Map<string, Branch | string>

function grown(branch: Branch | string): unknown {
  if (typeof branch === "string") return read(branch)
  const names = [...branch.keys()]
  if (names.every((name) => /^\d+$/.test(name))) {
    return names.sort((a, b) => Number(a) - Number(b)).map((name) => grown(branch.get(name) ?? ""))
  }
  return Object.fromEntries([...branch].map(([name, below]) => [name, grown(below)]))
}

function read(text: string): unknown {
  if (text.startsWith("'")) return text.slice(1)
  return TELLING.test(text) && text !== "" ? JSON.parse(text.toLowerCase()) : text
}
