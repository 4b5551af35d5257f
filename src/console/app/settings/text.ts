/** The document of a policy as a text that a person edits. */
import type { Document } from "./queries.ts"

export function textOf(document: Document): string {
  return `${JSON.stringify(document, null, 2)}\n`
}

/** The document, or what keeps the text from being one. */
export function documentOf(text: string): { document?: Document; problem?: string } {
  try {
    const document: unknown = JSON.parse(text)
    if (document === null || typeof document !== "object" || Array.isArray(document)) {
      return { problem: "A policy is an object: it begins with { and ends with }." }
    }
    return { document: document as Document }
  } catch (problem) {
    return { problem: `This is not JSON: ${(problem as Error).message}.` }
  }
}
