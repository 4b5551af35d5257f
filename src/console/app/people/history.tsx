/** How a person's values came to be: each change with its instant and what caused it. */
import { Link } from "@tanstack/react-router"
import { Fragment } from "react"
import { useDefinitions } from "../definitions/queries.ts"
import type { HistoryChange, Profile } from "../lib/api.ts"
import { clock, day, value, whole } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { Older } from "../ui/older.tsx"
import { Answered, Badge, Panel } from "../ui/parts.tsx"
import { useHistory } from "./queries.ts"
import { SpanFields, useSpan, useWanted } from "./span.tsx"

const CAUSES: Record<string, string> = { clock: "time passed", edit: "the list of the segment was edited" }

export function HistoryOf({ person }: { person: Profile }) {
  const [wanted, want] = useWanted()
  const { of = "" } = wanted
  const answer = useHistory(person.id, { of, ...useSpan(wanted) })
  const filtered = Boolean(of || wanted.from || wanted.to)
  return (
    <Panel title="History" aside={<span className="mute">{useZone()}</span>}>
      <div className="filters">
        <WhichField person={person} value={of} onChange={(what) => want({ of: what })} />
        <SpanFields wanted={wanted} want={want} />
        {filtered && (
          <button
            type="button"
            className="link"
            onClick={() => want({ of: undefined, from: undefined, to: undefined })}
          >
            Show all
          </button>
        )}
      </div>
      <p className="small mute">
        Oldest first, {wanted.from ? "by" : "of the last 30 days, by"} the definitions of today. A message counts from
        its arrival on.
      </p>
      <div data-stale={answer.isPlaceholderData || undefined} className="answer">
        <Answered answer={answer} lines={8}>
          {({ pages }) => {
            const changes = pages.flatMap((page) => page.changes)
            return (
              <>
                {changes.length > 0 && <Changes of={changes} />}
                {changes.length === 0 && !answer.hasNextPage && <p className="mute">Nothing changed in this span.</p>}
                <Older of={answer} title="Later changes" />
              </>
            )
          }}
        </Answered>
      </div>
    </Panel>
  )
}

function WhichField(props: { person: Profile; value: string; onChange: (what: string) => void }) {
  const { person } = props
  const segments = (useDefinitions("segments").data ?? []).map(({ key }) => key)
  const groups = [
    { kind: "trait", title: "Traits", names: Object.keys(person.traits) },
    { kind: "segment", title: "Segments", names: segments },
    { kind: "property", title: "Properties", names: Object.keys(person.properties) },
  ]
  const known = groups.some(({ kind, names }) => names.some((name) => `${kind}:${name}` === props.value))
  return (
    <label>
      <span>of</span>
      <select className="field" value={props.value} onChange={(event) => props.onChange(event.target.value)}>
        <option value="">everything</option>
        {props.value && !known && <option value={props.value}>{props.value.replace(":", " ")}</option>}
        {groups.map(({ kind, title, names }) => (
          <optgroup key={kind} label={title}>
            {names.map((name) => (
              <option key={name} value={`${kind}:${name}`}>
                {name}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
    </label>
  )
}

function Changes({ of }: { of: HistoryChange[] }) {
  const zone = useZone()
  return (
    <div className="table-frame">
      <table className="history">
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">What</th>
            <th scope="col">Change</th>
            <th scope="col" className="wide-only">
              Cause
            </th>
          </tr>
        </thead>
        <tbody>
          {of.map((change, at) => {
            const name = day(change.at, zone)
            const before = of[at - 1]
            return (
              // biome-ignore lint/suspicious/noArrayIndexKey: changes only follow, and none of them moves
              <Fragment key={at}>
                {(!before || day(before.at, zone) !== name) && (
                  <tr className="day">
                    <th colSpan={4} scope="colgroup">
                      {name}
                    </th>
                  </tr>
                )}
                <tr>
                  <td className="mute">
                    <time dateTime={change.at} title={whole(change.at, zone)}>
                      {clock(change.at, zone)}
                    </time>
                  </td>
                  <td>
                    <What of={change} />
                  </td>
                  <td className="break">
                    <Change of={change} />
                  </td>
                  <td className="wide-only mute break">{causeOf(change)}</td>
                </tr>
              </Fragment>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

function What({ of }: { of: HistoryChange }) {
  if (of.kind === "property")
    return (
      <>
        <b className="break">{of.key}</b> <span className="mute">property</span>
      </>
    )
  return (
    <Link
      className="row-link"
      to={of.kind === "segment" ? "/segments/$name" : "/traits/$name"}
      params={{ name: of.key }}
    >
      {of.key}
    </Link>
  )
}

function Change({ of }: { of: HistoryChange }) {
  if (of.kind === "segment" && of.after !== null)
    return of.after ? <Badge tone="good">entered</Badge> : <Badge>left</Badge>
  return (
    <>
      <span className="mute">{said(of.before)}</span> <span className="mute">→</span> <span>{said(of.after)}</span>
    </>
  )
}

function said(given: unknown): string {
  return typeof given === "boolean" ? (given ? "yes" : "no") : value(given)
}

function causeOf({ cause, messages }: HistoryChange): string {
  if (cause !== "event") return CAUSES[cause] ?? cause
  return [...new Set(messages.map(({ event, type }) => event || type))].join(", ")
}
