/** What a revision does to definitions: each with its difference. */
import { Link } from "@tanstack/react-router"
import { type Kind, kindOf } from "../definitions/kinds.ts"
import { useDefinitions } from "../definitions/queries.ts"
import type { Changed } from "../lib/api.ts"
import { Diff } from "../ui/diff.tsx"
import { Badge, type Tone } from "../ui/parts.tsx"

/** So many differences are open at first; more are opened one by one. */
const OPEN = 12

const ACTIONS: Record<string, { title: string; tone: Tone }> = {
  create: { title: "created", tone: "good" },
  update: { title: "changed", tone: "info" },
  rename: { title: "renamed", tone: "info" },
  delete: { title: "deleted", tone: "bad" },
}

function Action({ of }: { of: string }) {
  const { title, tone } = ACTIONS[of] ?? { title: of, tone: "quiet" }
  return <Badge tone={tone}>{title}</Badge>
}

/** `linked`: the names lead to the pages of the definitions. */
export function Changes({ of, linked = true }: { of: Changed[]; linked?: boolean }) {
  return (
    <ul className="changed">
      {of.map((change, index) => (
        <li key={`${change.kind} ${change.key}`}>
          <OneChange of={change} linked={linked} open={index < OPEN} />
        </li>
      ))}
    </ul>
  )
}

function OneChange({ of, linked, open }: { of: Changed; linked: boolean; open: boolean }) {
  const page = kindOf(of.kind)
  return (
    <>
      <p>
        <Action of={of.action} /> <span className="mute">{of.kind}</span>{" "}
        {page && linked ? <NameOf kind={page} name={of.key} /> : <b className="break">{of.key}</b>}
        {of.was !== null && of.was !== of.key && <span className="mute"> was {of.was}</span>}
        <small className="mute">
          {of.sameMeaning && "moves no one · "}version {of.version}
        </small>
      </p>
      {open ? (
        <Diff text={of.text} />
      ) : (
        <details>
          <summary>Show the difference</summary>
          <Diff text={of.text} />
        </details>
      )}
    </>
  )
}

/** A name; it leads to the page of the definition, unless it is another or none by now. */
function NameOf({ kind, name }: { kind: Kind; name: string }) {
  const { data = [] } = useDefinitions(kind)
  if (!data.some(({ key }) => key === name)) return <b className="break">{name}</b>
  return (
    <Link className="row-link" to={`/${kind}/$name`} params={{ name }}>
      {name}
    </Link>
  )
}
