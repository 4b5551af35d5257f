/** A message that the server took or refused, as the live stream shows it. */
import type { Event, Warned } from "./api.ts"

export type Status = "accepted" | "warned" | "rejected"

export interface Changed {
  segment: string | null
  entered: boolean
  at: string
}

export interface Message {
  status: Status
  /** When it was committed. */
  at: string
  keyId: number | null
  profileId: string | null
  /** As it arrived; null if that is not known. */
  received: unknown
  /** As it was stored; null if it was rejected. */
  stored: unknown
  warnings: Warned[]
  rejection: { code: string; message: string; path: string } | null
  /** Null if it was read from the list of recent events, which does not say. */
  changed: Changed[] | null
  traits: Record<string, unknown> | null
}

/** A profile entered or left a segment. */
export interface ShownTransition {
  segment: string
  profileId: string
  /** The name, else the identifier that says most; null without either. */
  name: string | null
  entered: boolean
  at: string
  /** Later than `at` if the clock was the cause. */
  recordedAt: string
  /** Null if an older release recorded it. */
  cause: string | null
}

/** Which messages are wanted: all that match each of these. */
export interface Wanted {
  event?: string
  user?: string
  kind?: string
  status?: string
  /** The key of a segment. No list can be read by it. */
  segment?: string
  profileId?: string
}

/** Whether something is asked for that only messages have. Then no transition matches. */
export function ofMessagesAlone({ event, user, kind, status }: Wanted): boolean {
  return [event, user, kind, status].some(Boolean)
}

/** What the client calls a message that was stored. */
export function idOf({ stored }: Message): string | undefined {
  return (stored as { messageId?: string } | null)?.messageId
}

export function statusOf({ warnings }: Event): Status {
  return warnings.length ? "warned" : "accepted"
}

/** A stored event as a message: what it changed is not known. */
export function ofEvent(event: Event): Message {
  const { type, event: name, messageId, timestamp, properties, context, by, target } = event
  const properties_ = type === "identify" || type === "group" ? { traits: properties } : { properties }
  const target_ = target === null ? {} : { [type === "alias" ? "previousId" : "groupId"]: target }
  const named = type === "track" || type === "screen" || type === "page" ? { event: name } : {}
  return {
    status: statusOf(event),
    at: event.receivedAt,
    keyId: null,
    profileId: event.profileId,
    received: null,
    stored: { type, messageId, [by.kind]: by.value, ...named, ...target_, ...properties_, timestamp, context },
    warnings: event.warnings,
    rejection: null,
    changed: null,
    traits: null,
  }
}
