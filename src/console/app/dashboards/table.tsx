/** The answer to a question of a kind without a view of its own: the table that its file has. */
import { keepPreviousData, useQuery } from "@tanstack/react-query"
import { PeopleNumber } from "../insights/people/behind.tsx"
import { type Kind, type OfKind, shortest } from "../insights/query/question.ts"
import { address, answered } from "../lib/client.ts"
import { exactCount, words } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { useSession } from "../lib/session.ts"
import { cellOf, type Row, titleOfCell } from "./cells.ts"
import { isNumeric, numberIn, rowsOf } from "./rows.ts"

/** More rows are for a file. */
const MOST_ROWS = 200
const INSTANT = /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/

export interface AnswerTable {
  asOf: string
  head: string[]
  rows: string[][]
}

export function useTable(question: OfKind, ready: boolean) {
  const { key } = useSession()
  const body = shortest(question)
  return useQuery({
    queryKey: ["analytics", "answer", body, "table"],
    queryFn: async ({ signal }): Promise<AnswerTable> => {
      const file = await answered(address(["analytics", "export"]), {
        method: "POST",
        body: { question: body, format: "csv" },
        signal,
      })
      const [head = [], ...rows] = rowsOf(await file.text())
      return { asOf: file.headers.get("X-As-Of") ?? "", head, rows }
    },
    placeholderData: keepPreviousData,
    enabled: key !== "" && ready,
  })
}

export function TableView(props: {
  of: AnswerTable
  label: string
  kind: Kind
  /** Shows the people behind a number. */
  show?: (cell: OfKind) => void
}) {
  const { of, label, kind, show } = props
  const zone = useZone()
  const complete = of.head.indexOf("complete")
  const columns = of.head.flatMap((name, at) => (isShown(name, at, of) ? [{ name, at }] : []))
  const numeric = new Set(columns.flatMap(({ at }) => (isNumeric(of.rows, at) ? [at] : [])))
  if (of.rows.length === 0) return <p className="mute">The answer has no rows.</p>
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section className="table-frame tile-table" tabIndex={0} aria-label={`Table of ${label}`}>
      <table>
        <thead>
          <tr>
            {columns.map(({ name, at }) => (
              <th key={name} scope="col" className={numeric.has(at) ? "end" : undefined}>
                {titleOf(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {of.rows.slice(0, MOST_ROWS).map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows of an answer have no other name than their place
            <tr key={index}>
              {columns.map(({ name, at }) => (
                <td key={name} className={numeric.has(at) ? "end number" : undefined}>
                  <Figure
                    text={textOf(row[at] ?? "", numeric.has(at), zone)}
                    cell={Number(row[at]) > 0 ? cellOf(kind, byName(of.head, row), name) : undefined}
                    show={show}
                  />
                  {name === "start" && row[complete] === "false" && <small className="mute"> so far</small>}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {of.rows.length > MOST_ROWS && (
        <p className="mute small">
          The first {MOST_ROWS} of {exactCount(of.rows.length)} rows are shown.
        </p>
      )}
    </section>
  )
}

/** A bucket is named by its start. A column that no row fills says nothing. */
function isShown(name: string, at: number, { head, rows }: AnswerTable): boolean {
  if (head.includes("start") && (name === "end" || name === "complete")) return false
  return rows.some((row) => row[at])
}

function titleOf(name: string): string {
  const title = words(name)
  return title.charAt(0).toUpperCase() + title.slice(1)
}

function byName(head: string[], row: string[]): Row {
  return Object.fromEntries(head.map((name, at) => [name, row[at] ?? ""]))
}

function Figure({ text, cell, show }: { text: string; cell?: OfKind; show?: (cell: OfKind) => void }) {
  if (!cell || !show) return text
  return (
    <PeopleNumber label={`${text}, ${titleOfCell(cell)}`} onOpen={() => show(cell)}>
      {text}
    </PeopleNumber>
  )
}

function textOf(text: string, numeric: boolean, zone: string): string {
  if (text === "") return "—"
  if (INSTANT.test(text)) return moment(text, zone)
  return numeric ? numberIn(text) : text
}

/** A day, with the time unless it begins then. */
function moment(iso: string, zone: string): string {
  const at = new Date(iso)
  const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "short", timeZone: zone }).format(at)
  const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone: zone }).format(at)
  return time === "00:00" ? day : `${day}, ${time}`
}
