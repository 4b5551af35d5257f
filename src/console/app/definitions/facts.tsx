/** What is known about a definition of any kind: what it means, and what hangs together with it. */
import { Link } from "@tanstack/react-router"
import type { NamedDefinition } from "../lib/api.ts"
import { Answered, Panel } from "../ui/parts.tsx"
import { type Definition, type Kind, kindOf } from "./kinds.ts"
import { useExplanation, useImpact } from "./queries.ts"

/** In plain English: what it means, when it changes, and when it is unknown. */
export function InWords({ kind, of }: { kind: Kind; of: Definition }) {
  const answer = useExplanation(kind, of)
  if ("static" in of && of.static) return null
  return (
    <Panel title="In words">
      <Answered answer={answer} lines={3}>
        {(explained) => (
          <>
            {(explained.text ?? "").split("\n").map((line) => (
              <p key={line} className="sentence">
                {line}
              </p>
            ))}
            <Facts title="Changes" lines={explained.changes} />
            <Facts title="Unknown" lines={explained.unknown} />
          </>
        )}
      </Answered>
    </Panel>
  )
}

function Facts({ title, lines }: { title: string; lines: string[] }) {
  if (lines.length === 0) return null
  return (
    <>
      <h3>{title}</h3>
      <ul className="facts-list">
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </>
  )
}

export function ImpactOf({ kind, name }: { kind: Kind; name: string }) {
  const answer = useImpact(kind, name)
  return (
    <Panel title="Dependencies">
      <Answered answer={answer} lines={3}>
        {({ usedBy, uses, events, properties }) => {
          const names = events.flatMap(({ event }) => (event === null ? [] : [event]))
          return (
            <dl className="stacked">
              <dt>Used by</dt>
              <dd>{usedBy.length ? <Names of={usedBy} /> : <span className="mute">no other definition</span>}</dd>
              <dt>Uses</dt>
              <dd>{uses.length ? <Names of={uses} /> : <span className="mute">no other definition</span>}</dd>
              {names.length > 0 && (
                <>
                  <dt>Reads events</dt>
                  <dd>{names.join(", ")}</dd>
                </>
              )}
              {properties.length > 0 && (
                <>
                  <dt>Reads properties</dt>
                  <dd>{properties.join(", ")}</dd>
                </>
              )}
            </dl>
          )
        }}
      </Answered>
    </Panel>
  )
}

function Names({ of }: { of: NamedDefinition[] }) {
  return (
    <ul className="names">
      {of.map(({ kind, key }) => {
        const page = kindOf(kind)
        return (
          <li key={`${kind} ${key}`}>
            <span className="mute">{kind}</span>{" "}
            {page ? (
              <Link to={`/${page}/$name`} params={{ name: key }}>
                {key}
              </Link>
            ) : (
              key
            )}
          </li>
        )
      })}
    </ul>
  )
}
