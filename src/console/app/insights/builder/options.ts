/** What can be chosen for a question, of what the registry knows. */
import type { Events, Names } from "../../lib/api.ts"
import { count } from "../../lib/format.ts"
import type { Option } from "../../ui/picker.tsx"
import { type EventName, nameOfEvent } from "../query/question.ts"

/** The events that a question may name, the most frequent first. Kinds of identity are no events. */
export function eventOptions(events: Events | undefined, any: boolean): Option[] {
  const known = (events?.events ?? []).filter(({ name, visible }) => visible && !name.startsWith("$"))
  const listed = known.map(({ name, description, lately }) => ({
    value: name,
    hint: description || `${count(lately)} lately`,
  }))
  return any ? [{ value: "*", title: "Any event", hint: "every track, page and screen" }, ...listed] : listed
}

/** The properties of an event; of any event, and of several, those of all of them. */
export function propertiesOf(names: Names | undefined, event: EventName | undefined): string[] {
  if (!names || event === undefined) return []
  const all = names.events as Record<string, string[]>
  if (typeof event === "string" && event !== "*") return sorted(all[event] ?? [])
  const parts = typeof event === "string" ? Object.keys(all) : (event.any ?? []).map((one) => nameOfEvent(one.event))
  return sorted([...new Set(parts.flatMap((name) => all[name] ?? []))])
}

/** What the server adds comes last: it is rarely what one looks for. */
function sorted(properties: string[]): string[] {
  const own = (name: string) => !name.startsWith("_")
  return [...properties.filter(own), ...properties.filter((name) => !own(name))]
}
