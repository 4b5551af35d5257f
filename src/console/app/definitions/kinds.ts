/** The kinds of definitions, and what they have in common. */
import type { Flag, Segment, Trait } from "../lib/api.ts"

export const KINDS = ["traits", "segments", "flags"] as const
export type Kind = (typeof KINDS)[number]

export type Definition = Trait | Segment | Flag

export interface Words {
  title: string
  one: string
  lead: string
  /** A command that makes the first one. */
  example: string
}

export const WORDS: Record<Kind, Words> = {
  traits: {
    title: "Traits",
    one: "trait",
    lead: "Values of a person, computed from their events.",
    example: "traits:\n  - key: spent_30d\n    expression: events.purchase.sum(amount, 30d)",
  },
  segments: {
    title: "Segments",
    one: "segment",
    lead: "Questions about a person with the answer yes or no.",
    example: "segments:\n  - key: regulars\n    rule: events.purchase.count_30d >= 2",
  },
  flags: {
    title: "Flags",
    one: "flag",
    lead: "What an application asks, answered by rules over traits and segments.",
    example: 'flags:\n  - key: free_shipping\n    rules:\n      - {id: regulars, when: segments.regulars, serve: "on"}',
  },
}

/** `segment` → `segments`; nothing if definitions of that kind have no page. */
export function kindOf(singular: string): Kind | undefined {
  return KINDS.find((kind) => kind === `${singular}s`)
}

/** The expression that a definition is, or the conditions of a flag, one a line. */
export function sourceOf(definition: Definition): string {
  if ("expression" in definition) return definition.expression
  if ("document" in definition) return (definition.document.rules ?? []).map((rule) => rule.when).join("\n")
  return definition.rule
}

/** Whether a definition has this text in its key, its description or its expression. */
export function matches(definition: Definition, text: string): boolean {
  const looked = `${definition.key}\n${definition.description}\n${sourceOf(definition)}`.toLowerCase()
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => looked.includes(word))
}
