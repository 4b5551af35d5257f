/** A message as lines of JSON, each with its place, so that the line of an error can be marked. */

export interface Line {
  text: string
  /** The place of the value that begins in the line, as `.properties.amount`; none if a value only ends in it. */
  place?: string
}

const TOKEN = /"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s{}[\],:"]+/gs
const INDENT = "  "

interface Open {
  place: string
  /** How many values came before in a list; nothing in an object. */
  index?: number
}

/**
 * The text is not parsed but laid out, so numbers stay as they were sent, and one that was cut off is shown as far as it goes.
 */
export function linesOf(payload: string): Line[] {
  if (!/^\s*[{[]/.test(payload)) return payload.split("\n").map((text) => ({ text }))
  const lines: Line[] = [{ text: "", place: "" }]
  const open: Open[] = []
  let last = { text: "", place: "" } as Line
  lines[0] = last
  const begin = (place?: string) => {
    last = { text: INDENT.repeat(open.length), place }
    lines.push(last)
  }
  let awaitsName = false
  for (const [token] of payload.matchAll(TOKEN)) {
    const inside = open.at(-1)
    if (token === "}" || token === "]") {
      open.pop()
      if (last.text.trim() === "" && lines.length > 1) {
        lines.pop()
        last = lines.at(-1) as Line
      } else begin()
      last.text += token
      awaitsName = false
    } else if (token === "{" || token === "[") {
      const place = last.place ?? ""
      last.text += token
      open.push(token === "[" ? { place, index: 0 } : { place })
      begin(token === "[" ? `${place}[0]` : undefined)
      awaitsName = token === "{"
    } else if (token === "," && inside) {
      last.text += token
      if (inside.index !== undefined) inside.index += 1
      begin(inside.index === undefined ? undefined : `${inside.place}[${inside.index}]`)
      awaitsName = inside.index === undefined
    } else if (token === ":") {
      last.text += ": "
    } else {
      if (awaitsName && inside) last.place = `${inside.place}.${token.replace(/^"|"$/g, "")}`
      last.text += token
      awaitsName = false
    }
  }
  return lines
}

/**
 * The line that a path of the request means, such as `$.batch[3].properties.amount`: that of the value, or of what would
 * hold it if it is not there. Nothing if that is the whole message.
 */
export function markedLine(lines: Line[], path: string): number | undefined {
  const steps = path.replace(/^\$((\.\w+)?\[\d+\])?/, "").match(/\.[^.[]+|\[\d+\]|\[(['"]).*?\1\]/g) ?? []
  const names = steps.map((step) => step.replace(/^\[(['"])(.*)\1\]$/, ".$2"))
  for (let length = names.length; length > 0; length--) {
    const place = names.slice(0, length).join("")
    const found = lines.findIndex((line) => line.place === place)
    if (found >= 0) return found
  }
  return undefined
}
