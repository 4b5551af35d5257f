/** Identifiers as the lines of a text. */
import type { Identifier } from "./queries.ts"

export type { Identifier }

/** The lines that say something, each once, without the space around. */
export function linesOf(text: string): string[] {
  return [...new Set(text.split(/\r?\n/).map((line) => line.trim()))].filter((line) => line !== "")
}

/** `userId:ada` → its kind and value; null without a kind. */
export function namedIdentifier(line: string): Identifier | null {
  const colon = line.indexOf(":")
  if (colon <= 0 || colon === line.length - 1) return null
  return { kind: line.slice(0, colon), value: line.slice(colon + 1) }
}
