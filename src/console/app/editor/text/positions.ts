/**
 * Places in a source, in the units of the server and of JavaScript.
 *
 * The server counts characters (code points), JavaScript's texts count UTF-16 units: 😀 is one and two.
 */

/** The server's position of an offset in a text. */
export function pointAt(text: string, offset: number): number {
  let points = 0
  let at = 0
  while (at < offset) {
    at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
    points += 1
  }
  return points
}

/** The offset of a server's position in a text; its end if the position is beyond. */
export function offsetAt(text: string, point: number): number {
  let at = 0
  for (let points = 0; points < point && at < text.length; points += 1) {
    at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
  }
  return at
}

export interface Edit {
  start: number
  end: number
  text: string
}

/** The text after the edits of the server, which all count in the text before. */
export function edited(text: string, edits: readonly Edit[]): string {
  return [...edits]
    .sort((a, b) => b.start - a.start)
    .reduce((so_far, { start, end, text: put }) => {
      return so_far.slice(0, offsetAt(text, start)) + put + so_far.slice(offsetAt(text, end))
    }, text)
}

export interface Change {
  from: number
  to: number
  insert: string
}

/** The smallest replacement that makes one text of another: what is the same around it keeps its place. */
export function changeBetween(before: string, after: string): Change | null {
  if (before === after) return null
  const most = Math.min(before.length, after.length)
  let from = 0
  while (from < most && before[from] === after[from]) from += 1
  let same = 0
  while (same < most - from && before[before.length - 1 - same] === after[after.length - 1 - same]) same += 1
  return { from, to: before.length - same, insert: after.slice(from, after.length - same) }
}
