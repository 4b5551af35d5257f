import { value } from "../lib/format.ts"

/** A number begins with no zero: `00420` is a name made of digits. */
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?$/

/** Whether a column has numbers only, and is shown as such. */
export function isNumeric(rows: readonly string[][], at: number): boolean {
  return rows.every((row) => !row[at] || NUMBER.test(row[at]))
}

/** A number of a numeric column. What a number of JavaScript does not hold is shown as the file has it. */
export function numberIn(text: string): string {
  return String(Number(text)) === text.replace(/\.0+$|(\.\d*?)0+$/, "$1") ? value(Number(text)) : text
}

/** The rows of a CSV file, as RFC 4180 has them. */
export function rowsOf(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    row.push(quoted === undefined ? (plain ?? "") : quoted.replaceAll('""', '"'))
    if (end === ",") continue
    if (row.length > 1 || row[0] !== "") rows.push(row)
    row = []
    if (end === "") break
  }
  return rows
}
