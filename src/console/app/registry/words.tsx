/** The states of events and properties, in words and tones. */
import type { EventSummary, PropertySummary } from "../lib/api.ts"
import { Badge, type Tone } from "../ui/parts.tsx"

export type EventState = EventSummary["state"]

const TONES: Record<EventState | PropertySummary["state"], Tone> = {
  active: "good",
  silent: "quiet",
  planned: "info",
  experimental: "info",
  deprecated: "warn",
  blocked: "bad",
  type_changed: "warn",
  unstable: "bad",
}

export const STATES: Record<EventState, string> = {
  active: "It arrives.",
  silent: "It has not arrived for 30 days.",
  planned: "It is in the tracking plan, and has never arrived.",
  experimental: "The plan calls it experimental.",
  deprecated: "The plan warns of it.",
  blocked: "The plan refuses it.",
}

/** Active is the rule, and has no badge. */
export function StateOf({ state, why }: { state: EventState | PropertySummary["state"]; why?: string }) {
  if (state === "active") return null
  return (
    <span title={why}>
      <Badge tone={TONES[state]}>{state.replace("_", " ")}</Badge>
    </span>
  )
}

/** `$identify` and `$group` are what the registry calls the traits of people and of groups. */
export function nameInWords(name: string): string {
  return { $identify: "Traits of people", $group: "Traits of groups" }[name] ?? name
}
