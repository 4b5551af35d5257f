/**
 * Where a destination or a sync is written: new, or an existing one, as a form or as its text.
 *
 * Laws: the text is the truth, and no edit is lost: what differs from what is saved is kept as a draft.
 */
import { useQueryClient } from "@tanstack/react-query"
import { Link, useNavigate } from "@tanstack/react-router"
import { type ComponentType, useState } from "react"
import { type Change, isConflict } from "../../editor/changes.ts"
import { COMMAND, useCommand } from "../../editor/commands.ts"
import { type DraftOf, readDraft, useDraft } from "../../editor/drafts.ts"
import { Review } from "../../editor/review.tsx"
import type { Destination, Published, Sync } from "../../lib/api.ts"
import { type Problem, RequestFailed } from "../../lib/client.ts"
import { useMay, useMe } from "../../lib/me.ts"
import { announce } from "../../ui/announced.tsx"
import { Moved } from "../../ui/conflict.tsx"
import { Choice, Labelled } from "../../ui/fields.tsx"
import { Answered, Failed, NeedsAdmin, Page, Waiting } from "../../ui/parts.tsx"
import "../../editor/editor.css"
import "../delivery.css"
import type { DeliveryKind } from "../kinds.ts"
import { useAllSaved, useSaved } from "../queries.ts"
import { elsewhere, useVerdict, type Verdict } from "./check.ts"
import { type Document, readDocument, textOf } from "./document.ts"

/** What is edited, and what is its own in that. */
export interface Edited {
  kind: DeliveryKind
  newDocument: () => Document
  /** Whether the form can show it. */
  isFormed: (document: Document) => boolean
  /** The label of a field that was not filled in yet; "" if all are. */
  missing: (document: Document) => string
  /** It has the messages of these places. */
  shownBy: (document: Document) => string[]
  Form: ComponentType<FormProps>
  /** What is said when a new one was saved. */
  saved: string
  /** Stands below the form. `ready`: the document is valid. */
  Below?: ComponentType<{ name: string; document: Document; ready: boolean }>
}

export interface FormProps {
  of: Document
  problems: Problem[]
  isNew: boolean
  onChange: (of: Document) => void
}

export function EditNew({ edited }: { edited: Edited }) {
  const me = useMe()
  const may = useMay("admin")
  if (!me) return <Waiting lines={8} />
  if (!may) return <NeedsAdmin what={`New ${edited.kind.path}`} />
  return <Editing edited={edited} of={{ environment: me.environment.key, kind: edited.kind.kind, name: "" }} />
}

/** The editor of one that exists, or of a draft whose definition was deleted meanwhile. */
export function EditSaved({ edited, name }: { edited: Edited; name: string }) {
  const me = useMe()
  const answer = useSaved(edited.kind, name)
  if (!me) return <Waiting lines={8} />
  const of = { environment: me.environment.key, kind: edited.kind.kind, name }
  if (answer.error instanceof RequestFailed && answer.error.status === 404 && readDraft(of))
    return <Editing key={name} edited={edited} of={of} deleted />
  return (
    <Answered answer={answer} lines={8}>
      {(live) => <Editing key={name} edited={edited} of={of} live={live} />}
    </Answered>
  )
}

interface EditingProps {
  edited: Edited
  of: DraftOf
  live?: Destination | Sync
  deleted?: boolean
}

function Editing({ edited, of, live, deleted = false }: EditingProps) {
  const { kind, list, one, path } = edited.kind
  const navigate = useNavigate()
  const queries = useQueryClient()
  const version = live?.version ?? 0
  const saved = { name: of.name, text: textOf(live?.document ?? edited.newDocument()) }
  const draft = useDraft(of, version, saved)
  const { fields } = draft
  const read = readDocument(fields.text)
  const document = typeof read === "string" ? undefined : read
  // What was not filled in yet is missing, and not wrong.
  const needed = document && edited.isFormed(document) ? edited.missing(document) : ""
  const verdict = useVerdict(edited.kind, fields.name, needed ? undefined : document)
  const [reviewing, setReviewing] = useState(false)
  const [keyRefused, setKeyRefused] = useState("")
  const isNew = !live && !deleted
  const moved = live !== undefined && draft.drafted && draft.base !== version && !reviewing
  const missing = moved
    ? "Decide first what becomes of the other version."
    : missingOf(fields.name, document, needed, verdict, draft.drafted || !live)
  const { key: _, ...content } = document ?? {}
  const change: Change = {
    kind,
    key: fields.name,
    document: content,
    expects: deleted ? 0 : draft.base,
  }
  const review = () => missing === "" && setReviewing(true)
  useCommand("s", review)
  useCommand("Enter", review)

  function leave(): void {
    if (isNew || deleted) navigate({ to: list })
    else navigate({ to: one, params: { name: of.name }, search: {} })
  }

  function wasSaved(answer: Published): void {
    const now = answer.changes.find((change) => change.kind === kind)?.version
    draft.finish()
    queries.invalidateQueries({ queryKey: [path] })
    announce(
      `${kind} ${change.key}`,
      isNew ? edited.saved : now === undefined ? "Nothing differed." : `Version ${now} is saved.`,
    )
    navigate({ to: one, params: { name: change.key }, search: {}, replace: !isNew })
  }

  function wasRefused(problem: Error): void {
    if (!isConflict(problem)) return
    setReviewing(false)
    if (isNew) setKeyRefused(`There is a ${kind} ${change.key} already.`)
    else queries.invalidateQueries({ queryKey: [path] })
  }

  return (
    <Page
      title={of.name ? `Edit ${of.name}` : `New ${kind}`}
      above={<Link to={list}>{edited.kind.title}</Link>}
      aside={
        <div className="edit-actions">
          <span className="mute small" role="status">
            {draft.drafted ? (version > 0 ? `Draft of version ${draft.base}, kept` : "Draft, kept") : ""}
          </span>
          {draft.drafted && (
            <button type="button" className="button" onClick={draft.discard}>
              Discard draft
            </button>
          )}
          <button type="button" className="button" onClick={leave}>
            Close
          </button>
          <button
            type="button"
            className="button primary"
            aria-disabled={missing !== ""}
            aria-describedby="missing"
            onClick={review}
          >
            Review and save <kbd>{COMMAND}S</kbd>
          </button>
        </div>
      }
    >
      <p id="missing" className="missing mute small">
        {missing}
      </p>
      {draft.replaced && !draft.drafted && (
        <div className="notice" role="status">
          <p>The draft is discarded.</p>
          <button type="button" className="button" onClick={draft.bringBack}>
            Bring it back
          </button>
        </div>
      )}
      {deleted && (
        <div className="notice warn" role="alert">
          <p>
            {of.name} was deleted. {draft.drafted && "Your draft is kept: save it, and the key exists again."}
          </p>
        </div>
      )}
      {moved && live && (
        <Moved
          by={live.savedBy}
          version={version}
          theirs={textOf(live.document)}
          mine={fields.text}
          goOn={() => draft.rebase(version, fields)}
          takeTheirs={draft.discard}
        />
      )}
      <div>
        <div className="destination-form">
          {isNew && (
            <KeyField
              kind={edited.kind}
              value={fields.name}
              refused={keyRefused}
              onChange={(name) => {
                setKeyRefused("")
                draft.change({ name })
              }}
            />
          )}
          <Views
            edited={edited}
            text={fields.text}
            wrong={typeof read === "string" ? read : ""}
            document={document}
            verdict={verdict}
            isNew={isNew}
            onText={(text) => draft.change({ text })}
            onChange={(next) => draft.change({ text: textOf(next) })}
          />
          {edited.Below && document && <edited.Below name={fields.name} document={document} ready={verdict.valid} />}
        </div>
      </div>
      {reviewing && (
        <Review
          title={version > 0 ? `Save version ${version + 1} of ${change.key}` : `Save the new ${kind} ${change.key}`}
          action="Save"
          change={change}
          onClose={() => setReviewing(false)}
          onPublished={wasSaved}
          onRefused={wasRefused}
        />
      )}
    </Page>
  )
}

/** What is still to do before it can be saved; "" if it can. */
function missingOf(
  name: string,
  document: Document | undefined,
  needed: string,
  verdict: Verdict,
  differs: boolean,
): string {
  if (!differs) return "Nothing differs from the saved version."
  if (!document) return "The text is no document yet."
  if (!name) return "It needs a key."
  if (needed) return `It needs “${needed}”.`
  if (verdict.failed) return "It could not be checked."
  if (!verdict.current) return "It is being checked."
  return verdict.valid ? "" : "It is not valid yet."
}

function KeyField(props: { kind: DeliveryKind; value: string; refused: string; onChange: (key: string) => void }) {
  const others = useAllSaved(props.kind).data ?? []
  const taken = others.some(({ key }) => key === props.value)
  return (
    <Labelled
      label="Key"
      hint="What addresses and files call it. It can be renamed later."
      problem={props.refused || (taken ? `There is a ${props.kind.kind} ${props.value} already.` : "")}
    >
      {(names) => (
        <input
          {...names}
          className="field mono"
          value={props.value}
          autoComplete="off"
          spellCheck={false}
          // biome-ignore lint/a11y/noAutofocus: the page is about this field
          autoFocus
          onChange={(event) => props.onChange(event.target.value.trim())}
        />
      )}
    </Labelled>
  )
}

interface ViewsProps {
  edited: Edited
  text: string
  /** Why the text is no document; "" if it is one. */
  wrong: string
  document: Document | undefined
  verdict: Verdict
  isNew: boolean
  onText: (text: string) => void
  onChange: (document: Document) => void
}

function Views({ edited, text, wrong, document, verdict, isNew, onText, onChange }: ViewsProps) {
  const formed = document !== undefined && edited.isFormed(document)
  const [chosen, setChosen] = useState<"form" | "text">("form")
  // A text that the form cannot show stays a text when it can: nothing else takes its place under the caret.
  if (!formed && chosen !== "text") setChosen("text")
  const problems = verdict.problems
  return (
    <>
      <div className="views">
        <Choice
          label="How it is edited"
          options={[...(formed ? [{ value: "form", title: "Form" } as const] : []), { value: "text", title: "Text" }]}
          value={chosen}
          onChange={setChosen}
        />
      </div>
      {verdict.failed && <Failed problem={verdict.failed} />}
      {chosen === "form" && formed ? (
        <>
          <edited.Form of={document} problems={problems} onChange={onChange} isNew={isNew} />
          <Wrong problems={elsewhere(problems, edited.shownBy(document))} />
        </>
      ) : (
        <div className="labelled">
          <textarea
            className="field mono document-text"
            aria-label="Document as JSON"
            aria-invalid={wrong !== "" || problems.length > 0 || undefined}
            aria-describedby="document-wrong"
            spellCheck={false}
            rows={Math.min(40, Math.max(16, text.split("\n").length + 1))}
            value={text}
            onChange={(event) => onText(event.target.value)}
          />
          <div id="document-wrong">
            {wrong && (
              <p className="problem" role="alert">
                {wrong}
              </p>
            )}
            <Wrong problems={problems} />
          </div>
        </div>
      )}
    </>
  )
}

function Wrong({ problems }: { problems: Verdict["problems"] }) {
  if (problems.length === 0) return null
  return (
    <ul className="wrong" role="alert">
      {problems.map(({ path, message, code }) => (
        <li key={`${path} ${message}`} className="problem">
          <code>{path}</code> {message} <code>{code}</code>
        </li>
      ))}
    </ul>
  )
}
