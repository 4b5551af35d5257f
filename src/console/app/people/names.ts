import type { ProfileSummary } from "../lib/api.ts"

/** Kinds of identifiers, the most telling first. */
const TELLING = ["userId", "externalId", "email", "anonymousId"]

type Named = Pick<ProfileSummary, "id" | "identifiers" | "properties">

/** What a person is called: their name, else the identifier that says most. */
export function nameOf(person: Named): string {
  const name = person.properties.name
  return typeof name === "string" && name !== "" ? name : identifierOf(person)
}

/** The identifier that says most; the profile's id if it has none. */
export function identifierOf(person: Named): string {
  for (const kind of TELLING) {
    const found = person.identifiers.find((identifier) => identifier.kind === kind)
    if (found) return found.value
  }
  return person.identifiers[0]?.value ?? person.id
}
