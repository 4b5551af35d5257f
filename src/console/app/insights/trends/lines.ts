/** A trend's lines: what they are called, and which number is which. */
import { longName } from "../../charts/scales.ts"
import type { Line, Series } from "../../lib/api.ts"
import { value } from "../../lib/format.ts"
import { MEASURES, measureText } from "../builder/measures.ts"
import { type Answer, type Cell, nameOfEvent, nameOfGroup, type Question } from "../query/question.ts"

export const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
export const FORMULA = "formula"

/** Which line it is, in an answer. */
export function idOf(line: Pick<Line, "series" | "group">): string {
  return line.group ? `${line.series} ${line.group.kind} ${JSON.stringify(line.group.values ?? [])}` : line.series
}

/** What a series is called that has no name of its own: sum of amount, purchase. */
export function nameOfSeries(series: Series): string {
  if (series.name) return series.name
  if (series.metric) return series.metric
  const event = nameOfEvent(series.event)
  const measure = measureText(series.measure)
  if (measure === "count") return event
  const title = MEASURES.find((one) => one.value === measure)?.title ?? measure
  const of = series.property ? ` ${series.property}` : ""
  return `${event}: ${title.charAt(0).toLowerCase()}${title.slice(1)}${of}`
}

/** What a line is called beside others: its group where only groups differ. */
export function nameOfLine(line: Line, question: Question<"trend">): string {
  const series = question.series[LETTERS.indexOf(line.series)]
  const own = line.series === FORMULA ? (question.formula ?? FORMULA) : series ? nameOfSeries(series) : line.name
  if (!line.group) return own
  const group = nameOfGroup(line.group)
  const several = question.series.length + (question.formula ? 1 : 0) > 1
  return several ? `${group} · ${own}` : group
}

/** The cell of a line's number; nothing for a formula, behind which no people are. */
export function cellOf(line: Line, bucket?: string): Cell<"trend"> | undefined {
  if (line.series === FORMULA) return undefined
  const group = line.group ? { kind: line.group.kind, values: line.group.values ?? [] } : undefined
  return { kind: "trend", series: line.series, ...(group ? { group } : {}), ...(bucket ? { bucket } : {}) }
}

export function lineOf(answer: Answer<"trend">, cell: Cell<"trend">): Line | undefined {
  const group = cell.group ? { kind: cell.group.kind ?? "value", values: cell.group.values ?? [] } : null
  const wanted = idOf({ series: cell.series ?? "A", group })
  return answer.lines.find((line) => idOf(line) === wanted)
}

/** Who is behind a number of a trend. */
export function titleOf(
  cell: Cell<"trend">,
  answer: Answer<"trend">,
  question: Question<"trend">,
  zone: string,
): string {
  const line = lineOf(answer, cell)
  const bucket = answer.buckets.find(({ start }) => start === cell.bucket)
  const name = line ? nameOfLine(line, question) : (cell.series ?? "A")
  return bucket ? `${name}, ${longName(bucket, question.bucket ?? "day", zone)}` : `${name}, the whole range`
}

/** +12.5 %: how much more there is than before; a dash where there was nothing to compare with. */
export function change(now: number | null, before: number | null): string {
  if (now === null || before === null || before === 0) return "—"
  const share = ((now - before) / Math.abs(before)) * 100
  return `${share > 0 ? "+" : ""}${value(Math.round(share * 10) / 10)} %`
}
