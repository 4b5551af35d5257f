/** What a line says of itself: a message, which may be any JSON if it was rejected, or a transition. */
import { value } from "../lib/format.ts"
import type { Message, ShownTransition } from "../lib/message.ts"

const KINDS = ["track", "page", "screen", "identify", "group", "alias"]
const NOT_IDENTIFIERS = new Set(["type", "event", "messageId", "timestamp", "groupId", "name", "anonymous"])
/** Kinds of identifiers, the most telling first. */
const TELLING = ["userId", "externalId", "email", "anonymousId"]

type Body = Record<string, unknown>

function bodyOf({ stored, received }: Message): Body {
  const found = stored ?? received
  return found !== null && typeof found === "object" && !Array.isArray(found) ? (found as Body) : {}
}

/** The event's name; of a call that has none, its kind. */
export function titleOf(message: Message): string {
  const { event, type, name } = bodyOf(message)
  const given = event ?? (type === "track" ? undefined : (name ?? type)) ?? type
  return typeof given === "string" && given !== "" ? given : "(no name)"
}

export function kindOf(message: Message): string | undefined {
  const { type } = bodyOf(message)
  return KINDS.find((kind) => kind === type)
}

/** The identifier that says most. */
export function whoOf(message: Message): string | undefined {
  const body = bodyOf(message)
  const named = Object.entries(body).filter(([kind, text]) => !NOT_IDENTIFIERS.has(kind) && typeof text === "string")
  const kinds = new Map(named as [string, string][])
  for (const kind of TELLING) if (kinds.has(kind)) return kinds.get(kind)
  return named.length ? (named[0]?.[1] as string) : undefined
}

/** Its properties or traits in a line. */
export function detailsOf(message: Message): string {
  const { properties, traits } = bodyOf(message)
  const given = properties ?? traits
  if (given === null || typeof given !== "object") return ""
  return Object.entries(given as Body)
    .map(([name, of]) => `${name} ${value(of)}`)
    .join(" · ")
}

const CAUSES: Record<string, string> = {
  event: "by an event",
  clock: "by the clock",
  edit: "by an edit",
  group: "by a change of its group",
  merge: "by a merge",
  unmerge: "by the end of a merge",
  repair: "by a repair",
  anonymization: "by an anonymisation",
}

export function movedTitle({ entered, segment }: ShownTransition): string {
  return `${entered ? "Entered" : "Left"} ${segment}`
}

export function causeOf({ cause }: ShownTransition): string {
  return cause === null ? "for an unknown cause" : (CAUSES[cause] ?? `by ${cause}`)
}
