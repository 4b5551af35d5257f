/**
 * Where a trait or a segment is written: new, or an existing one.
 *
 * Laws: the text is the truth, and no edit is lost: what differs from the published definition is kept as a draft.
 */
import { useNavigate, useSearch } from "@tanstack/react-router"
import { useState } from "react"
import { useEdited } from "../definitions/queries.ts"
import { RequestFailed } from "../lib/client.ts"
import { plural } from "../lib/format.ts"
import { useMay, useMe } from "../lib/me.ts"
import { Choice, Labelled } from "../ui/fields.tsx"
import { Answered, NeedsAdmin, Waiting } from "../ui/parts.tsx"
import { type Change, usePublishing } from "./changes.ts"
import { TextConflict } from "./conflict.tsx"
import { type DraftOf, useDraft } from "./drafts.ts"
import { changeOf, type Edited, type EditedKind, type Fields, fieldsOf, singular } from "./fields.ts"
import { EditFrame, KeyField, useCounted } from "./frame.tsx"
import { PreviewPanel } from "./preview.tsx"
import { Beginnings } from "./text/beginnings.tsx"
import { ExpressionEditor } from "./text/expression.tsx"
import { Rows } from "./text/rows_form.tsx"
import { type Check, useExplained } from "./text/services.ts"
import { TryOn } from "./try_on.tsx"

export function NewTrait() {
  return <NewDefinition kind="traits" />
}

export function NewSegment() {
  return <NewDefinition kind="segments" />
}

function NewDefinition({ kind }: { kind: EditedKind }) {
  const me = useMe()
  const may = useMay("admin")
  if (!me) return <Waiting lines={8} />
  if (!may) return <NeedsAdmin what={`New ${kind}`} />
  return <Editing key={kind} kind={kind} of={{ environment: me.environment.key, kind: singular(kind), name: "" }} />
}

/** The editor of a definition that exists, or of a draft whose definition was deleted meanwhile. */
export function EditDefinition({ kind, name }: { kind: EditedKind; name: string }) {
  const me = useMe()
  const answer = useEdited(kind, name)
  if (!me) return <Waiting lines={8} />
  const of = { environment: me.environment.key, kind: singular(kind), name }
  if (answer.error instanceof RequestFailed && answer.error.status === 404)
    return <Editing key={name} kind={kind} of={of} deleted />
  return (
    <Answered answer={answer} lines={8}>
      {(one) => <Editing key={name} kind={kind} of={of} live={one} />}
    </Answered>
  )
}

interface EditingProps {
  kind: EditedKind
  of: DraftOf
  live?: Edited
  deleted?: boolean
}

function Editing({ kind, of, live, deleted = false }: EditingProps) {
  const search = useSearch({ strict: false }) as { expression?: string }
  const version = live?.version ?? 0
  const published: Fields = live
    ? fieldsOf(live)
    : { name: of.name, description: "", expression: of.name === "" ? (search.expression ?? "") : "" }
  const draft = useDraft(of, version, published)
  const { fields, change } = draft
  const [view, setView] = useView()
  const [check, setCheck] = useState<Check>()
  const [refused, setRefused] = useState<RequestFailed>()

  const isStatic = live !== undefined && "static" in live && live.static
  const valid = isStatic || (check?.source === fields.expression && check.meaning.valid)
  const publishing = usePublishing()
  const conflict = live !== undefined && draft.drafted && draft.base !== version && !publishing
  // What a definition is called and how it is described moves no person.
  const moving: Change = {
    kind: singular(kind),
    key: fields.name || `new_${kind}`,
    document: { expression: fields.expression },
  }
  const counted = useCounted(moving, valid && !isStatic, fields.expression !== published.expression || !live)

  return (
    <EditFrame
      kind={kind}
      of={of}
      draft={draft}
      version={version}
      deleted={deleted}
      change={changeOf(kind, fields, deleted ? 0 : draft.base, isStatic)}
      counted={counted}
      missing={missingOf(fields, valid, conflict, draft.drafted || !live)}
      onKeyRefused={setRefused}
      conflict={
        conflict
          ? (takeTheirs) => (
              <TextConflict
                kind={kind}
                name={of.name}
                base={draft.base}
                version={version}
                mine={fields}
                onGoOn={(chosen) => draft.rebase(version, chosen)}
                onTakeTheirs={takeTheirs}
              />
            )
          : undefined
      }
    >
      <div className="columns edit-columns">
        <div className="main-column form">
          {!live && !deleted && (
            <KeyField
              kind={kind}
              value={fields.name}
              problem={refused?.message}
              onChange={(name) => {
                setRefused(undefined)
                change({ name })
              }}
            />
          )}
          <Labelled label="Description" hint="What it is for. Lists and the editor's help show it.">
            {(names) => (
              <input
                {...names}
                className="field"
                value={fields.description}
                autoComplete="off"
                onChange={(event) => change({ description: event.target.value })}
              />
            )}
          </Labelled>
          {isStatic ? (
            <p className="mute">Its members are listed one by one; there is no rule to edit.</p>
          ) : (
            <div className="labelled rule-field">
              <span>{kind === "traits" ? "Expression" : "Rule"}</span>
              {view === "rows" && (
                <Rows
                  value={fields.expression}
                  check={check}
                  onChange={(expression) => change({ expression })}
                  onText={() => document.querySelector<HTMLElement>(".expression .cm-content")?.focus()}
                />
              )}
              <ExpressionEditor
                kind={singular(kind)}
                name={fields.name || undefined}
                value={fields.expression}
                onChange={(expression) => change({ expression })}
                label={kind === "traits" ? "Expression" : "Rule"}
                hint={kind === "traits" ? "events.purchase.sum(amount, 30d)" : "events.purchase.count_30d >= 2"}
                onCheck={setCheck}
                focused={live !== undefined}
                words
              />
              {fields.expression.trim() === "" && (
                <Beginnings kind={kind} choose={(expression) => change({ expression })} />
              )}
              <Properties kind={kind} name={fields.name} check={check} />
              {/* Last, so that the text follows the description by keyboard; it stands beside the title. */}
              <Choice label="How it is shown" options={VIEWS} value={view} onChange={setView} />
            </div>
          )}
          {!isStatic && (
            <TryOn
              kind={singular(kind)}
              name={live || deleted ? of.name : ""}
              live={live && published.expression}
              draft={counted?.document?.expression as string | undefined}
              stale={counted?.document?.expression !== fields.expression}
            />
          )}
        </div>
        <div className="side-column">
          {!isStatic && <PreviewPanel change={counted} stale={counted?.document?.expression !== fields.expression} />}
        </div>
      </div>
    </EditFrame>
  )
}

const VIEWS = [
  { value: "text", title: "Text" },
  { value: "rows", title: "Text and rows" },
] as const

/** Whether rows are shown beside the text, as the address has it. */
function useView(): ["text" | "rows", (view: "text" | "rows") => void] {
  const { view } = useSearch({ strict: false }) as { view?: string }
  const navigate = useNavigate()
  const show = (next: "text" | "rows") =>
    navigate({
      to: ".",
      search: (now: Record<string, unknown>) => ({ ...now, view: next === "rows" ? next : undefined }) as never,
      replace: true,
      resetScroll: false,
    })
  return [view === "rows" ? "rows" : "text", show]
}

/** What is still to do before it can be published; nothing if it can. */
function missingOf(fields: Fields, valid: boolean, conflict: boolean, differs: boolean): string {
  if (conflict) return "Decide first what becomes of the other version."
  if (!differs) return "Nothing differs from the published version."
  if (!fields.name) return "It needs a key."
  if (!valid) return fields.expression.trim() ? "The text is not valid yet." : "It needs a text."
  return ""
}

/** How often a value is computed again because time passes. */
function again(perDay: number): string {
  if (perDay === 0) return "never computed again"
  if (perDay < 1) return `computed again about once in ${plural(Math.round(1 / perDay), "day")}`
  return `computed again about ${plural(Math.round(perDay), "time")} a day`
}

/** What the server says of a valid text besides its words: when it changes, when it is unknown, what it costs. */
function Properties({ kind, name, check }: { kind: EditedKind; name: string; check: Check | undefined }) {
  const source = check?.meaning.valid ? check.source : ""
  const said = useExplained({ kind: singular(kind), name: name || undefined }, source).data?.explained
  if (!said?.valid || !check) return null
  const { stateBytes, wakeupsPerDay } = said.cost
  return (
    <dl className="stacked properties">
      <dt>Changes by itself</dt>
      <dd>{said.changes.length ? <Lines of={said.changes} /> : "Never: only messages and edits change it."}</dd>
      <dt>Unknown when</dt>
      <dd>{said.unknown.length ? <Lines of={said.unknown} /> : "Never."}</dd>
      <dt>Cost of a person</dt>
      <dd>
        {stateBytes > 0 ? `At most ${plural(stateBytes, "byte")} of state` : "No state of its own"};{" "}
        {again(wakeupsPerDay)} without an event.
      </dd>
      {kind === "traits" && (
        <>
          <dt>Type</dt>
          <dd>
            {check.meaning.type === "dyn" ? "any" : check.meaning.type}
            {check.meaning.nullable && ", or unknown"}
          </dd>
        </>
      )}
    </dl>
  )
}

function Lines({ of }: { of: string[] }) {
  return (
    <ul>
      {of.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  )
}
