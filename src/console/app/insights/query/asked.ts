/** What a page of insights asks, and what of it is looked at. All of it is in the address. */
import { useNavigate, useSearch } from "@tanstack/react-router"
import { useMemo } from "react"
import { useReport } from "../saved/queries.ts"
import { cellIn, withCell } from "./cells.ts"
import { type Texts, unflat } from "./flat.ts"
import { type Cell, completed, type Kind, type Question, textsOf } from "./question.ts"

/** Parameters that are of the page; all others are the question's. */
const OF_PAGE = ["report", "view", "cell", "asked"]

export interface Asked<K extends Kind> {
  question: Question<K>
  /** Ask something else, in the same page. */
  ask: (next: Question<K>) => void
  /** The number whose people are shown. */
  cell: Cell<K> | undefined
  show: (cell: Cell<K> | undefined) => void
  /** A parameter of the page itself, such as how a chart is drawn. */
  view: string
  look: (view: string) => void
  /** The key of the saved report that this began with; empty without one. */
  report: string
  /** Whether the address has a question of its own, beside that of the report. */
  changed: boolean
  /** The address of this question, with the report's key. */
  keep: (report: string, question?: Question<K>) => void
}

/**
 * The question in the address; else that of the saved report in it; else the first one.
 *
 * While the report is on its way the first question is nothing that anybody asked: `undefined`.
 */
export function useAsked<K extends Kind>(kind: K, first: Question<K>): Asked<K> | undefined {
  const texts = useSearch({ strict: false }) as Texts
  const navigate = useNavigate()
  const saved = useReport(texts.report ?? "")
  const question = useMemo(() => questionIn(texts, first), [texts, first])
  const cell = useMemo(() => cellIn<K>(kind, texts), [kind, texts])

  function go(change: (texts: Texts) => Texts, replace: boolean): void {
    navigate({ to: ".", search: ((before: Texts) => change(before)) as never, replace, resetScroll: false })
  }

  const report = texts.report ?? ""
  const kept = saved.data && "question" in saved.data.document ? saved.data.document.question : undefined
  if (!question && report && !kept && !saved.error) return undefined
  return {
    question: question ?? (kept as Question<K> | undefined) ?? first,
    ask: (next) => go((before) => ({ ...pageOf(before, "cell", "asked"), ...textsOf(next) }), true),
    cell,
    show: (next) => go((before) => withCell(before, next), false),
    view: texts.view ?? "",
    look: (view) => go((before) => ({ ...before, view }), true),
    report,
    changed: question !== undefined,
    keep: (key, next) => go(() => ({ report: key, ...(next ? textsOf(next) : {}) }), true),
  }
}

function questionIn<K extends Kind>(texts: Texts, first: Question<K>): Question<K> | undefined {
  const own = Object.entries(texts).filter(([path]) => !isOfPage(path))
  return own.length ? completed(unflat(Object.fromEntries(own)), first) : undefined
}

function isOfPage(path: string): boolean {
  return OF_PAGE.includes(path.split(".")[0] ?? "")
}

function pageOf(texts: Texts, ...without: string[]): Texts {
  const kept = Object.entries(texts).filter(([path]) => isOfPage(path) && !without.includes(path.split(".")[0] ?? ""))
  return Object.fromEntries(kept)
}
