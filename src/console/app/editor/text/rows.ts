/**
 * The terms of an expression as rows of a form: each part of a row is some characters of the text.
 *
 * Laws: a part that is edited replaces its own characters and no others, so nothing that a row does not show is lost. What
 * a part accepts can be read, so a text that has rows keeps them.
 */
import type { Term, TermShape } from "../../lib/api.ts"
import { type Edit, edited, offsetAt } from "./positions.ts"

/** A text with its terms, whose places are of this text. */
export interface Apart {
  source: string
  terms: Term[]
}

/** One part of a row. */
export interface Cell {
  role: "subject" | "where" | "measure" | "property" | "window" | "comparison" | "value"
  text: string
  /** What it may be instead; nothing if it is written freely. */
  choices?: string[]
  /** Whether a text may stand here; nothing if the part is only shown. */
  accepts?: (text: string) => boolean
  /** The characters to put in place of its own. */
  written: (text: string) => string
  from: number
  to: number
}

/** The apart text after one part was replaced: all places behind it move along. */
export function replacedIn({ source, terms }: Apart, edit: Edit): Apart {
  const by = [...edit.text].length - (edit.end - edit.start)
  return { source: edited(source, [edit]), terms: shifted(terms, edit, by) as Term[] }
}

function shifted(value: unknown, edit: Edit, by: number): unknown {
  if (Array.isArray(value)) return value.map((one) => shifted(one, edit, by))
  if (typeof value !== "object" || value === null) return value
  const moved = Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shifted(one, edit, by)]))
  if (typeof moved.from === "number" && moved.from >= edit.end) moved.from += by
  if (typeof moved.to === "number" && moved.to >= edit.end) moved.to += by
  return moved
}

export function textAt(source: string, { from, to }: { from: number; to: number }): string {
  return source.slice(offsetAt(source, from), offsetAt(source, to))
}

const NAME = /^[A-Za-z_]\w*$/
const PATH = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/
const WINDOW = /^\d+[smhdw](\.\.\d+[smhdw])?$/
const DURATION = /^\d+[smhdw]$/
const NUMBER = /^-?\d+(\.\d+)?$/

/** What stands before the name of a subject in the text. */
const PREFIXES: Record<string, string> = {
  segment: "segments.",
  property: "profile.",
  group: "group.",
  context: "context.",
}

/** Functions that may take each other's place. */
const ALIKE = [
  ["sum", "avg", "min", "max"],
  ["unique", "p50", "p90", "p95", "p99"],
  ["first", "last", "top"],
  ["first_minutes_ago", "first_hours_ago", "first_days_ago", "last_minutes_ago", "last_hours_ago", "last_days_ago"],
  ["first_at", "last_at"],
]
const OF_NUMBERS = ["sum", "avg", "min", "max", "unique", "p50", "p90", "p95", "p99"]

const ORDERED = [">=", ">", "<=", "<", "==", "!="]
const OPERATORS = [
  ["in", "not in"],
  ["contains", "starts_with", "ends_with"],
]
const COMPARED_BY_SIZE = ["number", "datetime", "duration", "version"]

/** The parts of a term in the order in which they are read; none if its form is not known. */
export function cellsOf(source: string, term: Term): Cell[] {
  const { shape } = term
  if (!shape) return []
  return [
    subjectOf(source, shape),
    ...(shape.where ? [shown("where", shape.where.text, shape.where)] : []),
    ...measureOf(source, shape),
    ...(shape.comparison ? [comparisonOf(shape)] : []),
    ...(shape.value ? [cellOf(source, shape)] : []),
  ]
}

function shown(role: Cell["role"], text: string, { from, to }: { from: number; to: number }): Cell {
  return { role, text, written: (next) => next, from, to }
}

function subjectOf(source: string, { subject, measure }: TermShape): Cell {
  const { from, to, kind, name } = subject
  const said = name ?? "any event"
  const as = textAt(source, subject)
  if (kind === "seen" && measure) {
    const written = (next: string) => `${next}_seen_${measure.function}`
    return { role: "subject", text: said, choices: ["first", "last"], accepts: () => true, written, from, to }
  }
  const prefix = PREFIXES[kind] ?? ""
  // A name in another spelling, such as `segments["a b"]`, is only shown.
  if (name === null || as !== prefix + name) return shown("subject", said, subject)
  const accepts = (text: string) =>
    (kind === "property" || kind === "group" || kind === "context" ? PATH : NAME).test(text)
  return { role: "subject", text: said, accepts, written: (next) => prefix + next, from, to }
}

function measureOf(source: string, { subject, measure, window }: TermShape): Cell[] {
  if (!measure) return []
  const { from, to, property } = measure
  const cells: Cell[] = []
  // `count_30d` is the measure and the window in one word.
  const joint = window !== null && window.from === from && window.to === to
  const written = (next: string) =>
    subject.kind === "seen" ? `${subject.name}_seen_${next}` : joint ? `${next}_${window.text}` : next
  const choices = alternatives(measure.function, subject.kind === "seen", window?.text)
  const plain = textAt(source, measure) === written(measure.function)
  cells.push(
    plain && choices.length > 1
      ? { role: "measure", text: measure.function, choices, accepts: () => true, written, from, to }
      : shown("measure", measure.function, measure),
  )
  if (property) {
    const same = textAt(source, property) === property.text
    cells.push(
      same
        ? { ...shown("property", property.text, property), accepts: (text) => PATH.test(text) }
        : shown("property", property.text, property),
    )
  }
  if (window) {
    const put = (next: string) => (joint ? `${measure.function}_${next}` : next)
    const accepts = (text: string) => (joint ? DURATION : WINDOW).test(text)
    const same = textAt(source, window) === put(window.text)
    cells.push({ ...shown("window", window.text, window), written: put, ...(same ? { accepts } : {}) })
  }
  return cells
}

function alternatives(name: string, seen: boolean, window: string | undefined): string[] {
  if (seen) return name === "at" ? [name] : ["minutes_ago", "hours_ago", "days_ago"]
  if (name === "count" || name === "rate") return window === undefined ? [name] : ["count", "rate"]
  if (OF_NUMBERS.includes(name) && !window?.includes("..")) return OF_NUMBERS
  return ALIKE.find((group) => group.includes(name)) ?? [name]
}

function comparisonOf({ comparison, value }: TermShape): Cell {
  const { op = "" } = comparison ?? {}
  const at = comparison ?? { from: 0, to: 0 }
  const choices = ORDERED.includes(op)
    ? COMPARED_BY_SIZE.includes(value?.type ?? "")
      ? ORDERED
      : ["==", "!="]
    : (OPERATORS.find((group) => group.includes(op)) ?? [])
  const cell = shown("comparison", op, at)
  return choices.includes(op) ? { ...cell, choices, accepts: () => true } : cell
}

function cellOf(source: string, shape: TermShape): Cell {
  const given = shape.value
  if (!given) return shown("value", "", { from: 0, to: 0 })
  const as = textAt(source, given)
  const cell = shown("value", as, given)
  if (given.type === "number" && NUMBER.test(as)) return { ...cell, accepts: (text) => NUMBER.test(text) }
  if (given.type === "bool") return { ...cell, choices: ["true", "false"], accepts: () => true }
  if (given.type === "duration" && DURATION.test(as)) return { ...cell, accepts: (text) => DURATION.test(text) }
  if (given.type === "string" && as === JSON.stringify(given.value))
    return { ...cell, text: String(given.value), accepts: () => true, written: (next) => JSON.stringify(next) }
  return listOf(as, given.value, cell)
}

/** A list of texts or of numbers is written with commas between. */
function listOf(as: string, value: unknown, cell: Cell): Cell {
  if (!Array.isArray(value) || value.length === 0 || !as.startsWith("[")) return cell
  const texts = value.every((one) => typeof one === "string" && one.trim() === one && one !== "" && !one.includes(","))
  if (!texts && !value.every((one) => typeof one === "number")) return cell
  const parts = (text: string) => text.split(",").map((part) => part.trim())
  return {
    ...cell,
    text: value.join(", "),
    accepts: (text) => parts(text).every((part) => (texts ? part !== "" : NUMBER.test(part))),
    written: (text) =>
      `[${parts(text)
        .map((part) => (texts ? JSON.stringify(part) : part))
        .join(", ")}]`,
  }
}

/** The text with one more term at the end, joined as the others are. */
export function withTerm({ source, terms }: Apart, term: string): string {
  const last = terms.at(-1)
  if (!last) return source.trim() === "" ? term : source
  const join = last.join === "or" ? "||" : "&&"
  // Without a known form it may bind weaker than what joins it.
  if (terms.length === 1 && !last.shape)
    return edited(source, [{ start: last.from, end: last.to, text: `(${textAt(source, last)}) ${join} ${term}` }])
  return edited(source, [{ start: last.to, end: last.to, text: ` ${join} ${term}` }])
}

export function withoutTerm({ source, terms }: Apart, index: number): string {
  const [before, term, after] = [terms[index - 1], terms[index], terms[index + 1]]
  if (!term) return source
  const start = before ? before.to : term.from
  const end = !before && after ? after.from : term.to
  return edited(source, [{ start, end, text: "" }])
}
