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
