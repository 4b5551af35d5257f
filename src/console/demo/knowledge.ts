/**
 * What the server knows of the visitor, and how that changes.
 *
 * `Visitor` is the answer of `GET /demo/me`. All else here is computed from two such answers.
 */
import { shown } from "./format.ts"

export interface SentEvent {
  messageId: string
  type: string
  event: string
  timestamp: string
  properties: Record<string, unknown>
}

/** A trait, or a segment, whose value is whether the visitor is in it. */
export interface Known {
  key: string
  /** Its definition. */
  text: string
  /** Null if unknown. */
  value: unknown
  /** The first instant at which it may change without an event, null for never. */
  until: string | null
}

export interface KnownFlag {
  key: string
  variant: string | null
  value: unknown
  isOff: boolean
  reason: string
  /** What became of the last rule that was looked at. */
  because: string
  until: string | null
}

export interface Visitor {
  asOf: string
  version: number
  revision: number
  properties: Record<string, unknown>
  /** The newest first. */
  events: SentEvent[]
  traits: Known[]
  segments: Known[]
  flags: KnownFlag[]
}

export type Kind = "trait" | "segment" | "flag"

/** Something that has another value than before. */
export interface Move {
  kind: Kind
  key: string
  from: string
  to: string
}

/** An entry of the list of what happened: an event, or something that happened without one. */
export interface Entry {
  id: string
  at: number
  cause: "event" | "clock" | "definitions"
  name: string
  detail: string
  /** `waiting` until the server has it. */
  state: "waiting" | "stored"
  moves: Move[]
}

/** What is different in the later answer. */
export function movesBetween(before: Visitor, after: Visitor): Move[] {
  const found: Move[] = []
  const compare = (kind: Kind, was: Map<string, string>, is: Map<string, string>) => {
    for (const [key, to] of is) {
      const from = was.get(key)
      if (from !== undefined && from !== to) found.push({ kind, key, from, to })
    }
  }
  compare("trait", wordsOf(before.traits, shown), wordsOf(after.traits, shown))
  compare("segment", wordsOf(before.segments, membership), wordsOf(after.segments, membership))
  compare("flag", variants(before), variants(after))
  return found
}

/** Whether the visitor is in a segment; unknown is not out. */
export const membership = (value: unknown): string => (value === true ? "in" : value === false ? "out" : "—")

const wordsOf = (list: Known[], inWords: (value: unknown) => string) =>
  new Map(list.map(({ key, value }) => [key, inWords(value)]))

const variants = (visitor: Visitor) => new Map(visitor.flags.map(({ key, variant }) => [key, variant ?? "—"]))

/** The first instant at which anything may change without an event, undefined for never. */
export function nextChange(visitor: Visitor): number | undefined {
  const instants = [...visitor.traits, ...visitor.segments, ...visitor.flags].flatMap(({ until }) =>
    until === null ? [] : [Date.parse(until)],
  )
  return instants.length ? Math.min(...instants) : undefined
}

export const LONGEST_JOURNAL = 40

/**
 * The journal, the newest first, after another answer of the server.
 *
 * Events that the server has are stored. What moved is put down to the newest of them that were not stored before;
 * without one, to an edit of the definitions, or to the clock.
 */
export function continued(journal: readonly Entry[], before: Visitor | undefined, after: Visitor): Entry[] {
  const listed = new Map(journal.map((entry) => [entry.id, entry]))
  const arrived: string[] = []
  for (const event of [...after.events].reverse()) {
    const entry = listed.get(event.messageId)
    if (entry?.state === "stored") continue
    listed.set(event.messageId, entry ? { ...entry, state: "stored" } : entryOf(event))
    arrived.push(event.messageId)
  }
  const moves = before ? movesBetween(before, after) : []
  const cause = listed.get(arrived.at(-1) ?? "")
  if (moves.length && cause) listed.set(cause.id, { ...cause, moves })
  else if (moves.length && before) {
    const edited = before.revision !== after.revision
    const at = Date.parse(after.asOf)
    listed.set(`${after.asOf} ${after.revision}`, {
      id: `${after.asOf} ${after.revision}`,
      at,
      cause: edited ? "definitions" : "clock",
      name: edited ? `revision ${after.revision}` : "time passed",
      detail: edited ? "the definitions were edited" : "no event was sent",
      state: "stored",
      moves,
    })
  }
  return [...listed.values()].sort((one, other) => other.at - one.at).slice(0, LONGEST_JOURNAL)
}

function entryOf(event: SentEvent): Entry {
  return {
    id: event.messageId,
    at: Date.parse(event.timestamp),
    cause: "event",
    name: event.event || event.type,
    detail: detailOf(event.properties),
    state: "stored",
    moves: [],
  }
}

/** The properties of an event on one line, without those that the server added, as `_browser`. */
export function detailOf(properties: Record<string, unknown>): string {
  return Object.entries(properties)
    .filter(([key, value]) => typeof value !== "object" && !key.startsWith("_"))
    .map(([key, value]) => `${key} ${shown(value)}`)
    .join(" · ")
}
