/** Why a person has a value: the evaluator's own account, below the row that asks. */
import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import { Tree } from "../explained/tree.tsx"
import { Answered } from "../ui/parts.tsx"
import { type Explainable, useWhy } from "./queries.ts"

/** Which value of the person is explained, and what changes that: `?why=trait:revenue_90d`. */
export function useAsking(): [string, (what: string) => void] {
  const { why = "" } = useSearch({ strict: false }) as { why?: string }
  const navigate = useNavigate()
  const ask = (what: string) =>
    void navigate({
      to: ".",
      search: (now: Record<string, unknown>) => ({ ...now, why: what === why ? undefined : what }) as never,
      replace: true,
      resetScroll: false,
    })
  return [why, ask]
}

export function WhyButton({ kind, name }: { kind: Explainable; name: string }) {
  const [why, ask] = useAsking()
  const what = `${kind}:${name}`
  return (
    <button
      type="button"
      className="link inline"
      aria-expanded={why === what}
      aria-label={`Why ${name}`}
      onClick={() => ask(what)}
    >
      why
    </button>
  )
}

/** The row of a table below one that was asked about. */
export function WhyRow(props: { person: string; kind: Explainable; name: string; columns: number }) {
  const { person, kind, name, columns } = props
  const [why] = useAsking()
  if (why !== `${kind}:${name}`) return null
  return (
    <tr className="why">
      <td colSpan={columns}>
        <Why person={person} kind={kind} name={name} />
      </td>
    </tr>
  )
}

export function Why({ person, kind, name }: { person: string; kind: Explainable; name: string }) {
  const answer = useWhy(person, kind, name)
  return (
    <Answered answer={answer} lines={3}>
      {({ sentence, definition, skipped }) => (
        <>
          <p className="sentence">{sentence}</p>
          {definition && <Tree of={definition.tree} />}
          {(skipped ?? []).map(({ event, property }) => (
            <p key={`${event} ${property}`} className="small mute">
              <code>{property}</code> {event ? `of ${event} ` : ""}is text in some messages, and is not counted there.
            </p>
          ))}
          <p className="small">
            <Link
              to="."
              search={
                ((now: Record<string, unknown>) => ({ by: now.by, tab: "history", of: `${kind}:${name}` })) as never
              }
            >
              How it changed
            </Link>
          </p>
        </>
      )}
    </Answered>
  )
}
