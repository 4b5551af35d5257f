/** Profiles before and after a change: whose the identifiers are, and what each is a member of. */
import { Link } from "@tanstack/react-router"
import type { ProfileState } from "../lib/api.ts"
import { nameOf } from "../people/names.ts"
import { Badge } from "../ui/parts.tsx"
import type { Identifier } from "./queries.ts"

export function Named({ of }: { of: Identifier }) {
  return (
    <span className="identifier">
      <span className="mute">{of.kind}</span> <span className="break">{of.value}</span>
    </span>
  )
}

export function NamedList({ of }: { of: Identifier[] }) {
  return (
    <ul className="identifiers">
      {of.map((one) => (
        <li key={`${one.kind} ${one.value}`}>
          <Named of={one} />
        </li>
      ))}
    </ul>
  )
}

/** A link to a profile, by its id. */
export function PersonLink({ id, children }: { id: string; children?: string }) {
  return (
    <Link to="/users/$id" params={{ id }} search={{ by: "profileId" } as never}>
      {children ?? `profile ${id}`}
    </Link>
  )
}

/** What one profile has after the change, beside what all of them had before. */
export function StateOf({ of, before, kept }: { of: ProfileState; before: ProfileState[]; kept?: boolean }) {
  const had = new Set(before.find(({ id }) => id === of.id)?.segments.map(({ key }) => key))
  const has = new Set(of.segments.map(({ key }) => key))
  const former = before.find(({ id }) => id === of.id)
  const gone = former ? former.segments.filter(({ key }) => !has.has(key)) : []
  return (
    <section className="state" aria-label={`Profile ${of.id}`}>
      <h3>
        {nameOf(of)} <small className="mute">profile {of.id}</small> {kept && <Badge>its id stays</Badge>}
      </h3>
      <NamedList of={of.identifiers} />
      {(of.segments.length > 0 || gone.length > 0) && (
        <p className="small">
          <span className="mute">In </span>
          {of.segments.map(({ key }, at) => (
            <span key={key}>
              {at > 0 && ", "}
              {key}
              {!had.has(key) && former && <b> (new)</b>}
            </span>
          ))}
          {of.segments.length === 0 && "no segment"}
          {gone.length > 0 && <span className="mute">; leaves {gone.map(({ key }) => key).join(", ")}</span>}
        </p>
      )}
    </section>
  )
}
