/**
 * Where a flag is written: new, or an existing one, as a form or as its text.
 *
 * Laws: the text is the truth, and no edit is lost: what differs from the published flag is kept as a draft.
 */
import { useSearch } from "@tanstack/react-router"
import { useState } from "react"
import { useDefinition } from "../../definitions/queries.ts"
import { type Change, usePublishing } from "../../editor/changes.ts"
import { type DraftOf, useDraft } from "../../editor/drafts.ts"
import { EditFrame, KeyField, useCounted } from "../../editor/frame.tsx"
import { PreviewPanel } from "../../editor/preview.tsx"
import { ExpressionEditor } from "../../editor/text/expression.tsx"
import type { Flag, FlagBody } from "../../lib/api.ts"
import { RequestFailed } from "../../lib/client.ts"
import { isSameJson } from "../../lib/json.ts"
import { useMay, useMe } from "../../lib/me.ts"
import { Choice, Labelled } from "../../ui/fields.tsx"
import { Answered, NeedsAdmin, Waiting } from "../../ui/parts.tsx"
import { Simulate } from "../simulate.tsx"
import { FlagConflict } from "./conflict.tsx"
import { isPlain, newFlag, readDocument, replaced, textOf, whole } from "./document.ts"
import "../flags.css"
import "./form.css"
import { KeepingForm, MoreForm } from "./keeping.tsx"
import { BeforeForm, VariantsForm } from "./parts.tsx"
import { ProblemsAt, useVerdict, type Verdict, Wrong } from "./problems.tsx"
import { RulesForm } from "./rules.tsx"
import { ScheduleForm } from "./schedule.tsx"

interface Fields {
  name: string
  text: string
}

export function NewFlag() {
  const me = useMe()
  const may = useMay("admin")
  if (!me) return <Waiting lines={8} />
  if (!may) return <NeedsAdmin what="New flags" />
  return <Editing of={{ environment: me.environment.key, kind: "flag", name: "" }} />
}

/** The editor of a flag that exists, or of a draft whose flag was deleted meanwhile. */
export function EditFlag({ name }: { name: string }) {
  const me = useMe()
  const answer = useDefinition<Flag>("flags", name)
  if (!me) return <Waiting lines={8} />
  const of = { environment: me.environment.key, kind: "flag", name }
  if (answer.error instanceof RequestFailed && answer.error.status === 404)
    return <Editing key={name} of={of} deleted />
  return (
    <Answered answer={answer} lines={8}>
      {(flag) => <Editing key={name} of={of} live={flag} />}
    </Answered>
  )
}

interface EditingProps {
  of: DraftOf
  live?: Flag
  deleted?: boolean
}

function Editing({ of, live, deleted = false }: EditingProps) {
  const version = live?.version ?? 0
  const { when = "" } = useSearch({ strict: false }) as { when?: string }
  const published: Fields = { name: of.name, text: textOf(live?.document ?? newFlag(of.name === "" ? when : "")) }
  const draft = useDraft(of, version, published)
  const { fields } = draft
  const read = readDocument(fields.text)
  const document = typeof read === "string" ? undefined : read
  const verdict = useVerdict(fields.name, document && documentOf(document))
  const [refused, setRefused] = useState<RequestFailed>()

  const publishing = usePublishing()
  const conflict = live !== undefined && draft.drafted && draft.base !== version && !publishing
  const differs = draft.drafted || !live
  const missing = conflict
    ? "Decide first what becomes of the other version."
    : missingOf(fields, document, verdict, differs)
  const change: Change = {
    kind: "flag",
    key: fields.name,
    document: documentOf(document ?? {}),
    expects: deleted ? 0 : draft.base,
  }
  const moving: Change = { kind: "flag", key: fields.name || "new_flag", document: change.document }
  const ready = verdict.valid && isComplete(document)
  const counted = useCounted(moving, ready, differs)
  const drafted = counted?.document as FlagBody | undefined

  return (
    <EditFrame
      kind="flags"
      of={of}
      draft={draft}
      version={version}
      deleted={deleted}
      change={change}
      counted={counted}
      missing={missing}
      onKeyRefused={setRefused}
      conflict={
        conflict
          ? (takeTheirs) => (
              <FlagConflict
                flag={of.name}
                base={draft.base}
                version={version}
                mine={document}
                onGoOn={(chosen) => draft.rebase(version, { ...fields, text: textOf(chosen) })}
                onTakeTheirs={takeTheirs}
              />
            )
          : undefined
      }
    >
      {of.name === "" && when && draft.drafted && !fields.text.includes(when) && (
        <p className="notice">
          <span>
            This is the new flag that you began before. Nothing of it is about <code>{when}</code>.
          </span>
          <button
            type="button"
            className="button small"
            onClick={() => draft.change({ name: "", text: textOf(newFlag(when)) })}
          >
            Begin anew with {when}
          </button>
        </p>
      )}
      <div className="columns flag-columns edit-columns">
        <div className="main-column flag-form">
          {!live && !deleted && (
            <KeyField
              kind="flags"
              value={fields.name}
              problem={refused?.message}
              onChange={(name) => {
                setRefused(undefined)
                draft.change({ name })
              }}
            />
          )}
          <Views
            name={fields.name}
            text={fields.text}
            wrong={typeof read === "string" ? read : ""}
            document={document && whole(document)}
            isNew={!live && !deleted}
            verdict={verdict}
            onText={(text) => draft.change({ text })}
            onChange={(next) => draft.change({ text: textOf(next) })}
          />
        </div>
        <div className="side-column">
          <Simulate
            flag={fields.name}
            document={drafted ?? live?.document ?? {}}
            draft={drafted}
            waits={drafted === undefined && !live}
            stale={drafted !== undefined && !(ready && isSameJson(drafted, change.document))}
          />
          <PreviewPanel change={counted} stale={!ready} hint="Who gets another variant" />
        </div>
      </div>
    </EditFrame>
  )
}

/** The document without its key, which the change has. */
function documentOf(document: FlagBody): Record<string, unknown> {
  const { key: _, ...rest } = document
  return rest
}

function isComplete(document: FlagBody | undefined): boolean {
  return document !== undefined && whole(document).rules?.every(({ when }) => when.trim() !== "") === true
}

/** What is still to do before it can be published; "" if it can. */
function missingOf(fields: Fields, document: FlagBody | undefined, verdict: Verdict, differs: boolean): string {
  if (!differs) return "Nothing differs from the published version."
  if (!document) return "The text is no document yet."
  if (!fields.name) return "It needs a key."
  const empty = whole(document).rules?.find(({ when }) => !when.trim())
  if (empty) return `Rule “${empty.id}” needs a condition.`
  if (!verdict.current) return "It is being checked."
  return verdict.valid ? "" : "It is not valid yet."
}

type View = "plain" | "form" | "text"

interface ViewsProps {
  name: string
  text: string
  /** Why the text is no document; "" if it is one. */
  wrong: string
  document: FlagBody | undefined
  isNew: boolean
  verdict: Verdict
  onText: (text: string) => void
  onChange: (document: FlagBody) => void
}

function Views({ name, text, wrong, document, isNew, verdict, onText, onChange }: ViewsProps) {
  const plain = isNew && document !== undefined && isPlain(document)
  const [chosen, setChosen] = useState<View>(isNew ? "plain" : "form")
  // A text that is no document yet stays a text when it becomes one: nothing else takes its place under the caret.
  if (!document && chosen !== "text") setChosen("text")
  const view: View = !document ? "text" : chosen === "plain" && !plain ? "form" : chosen
  const options: { value: View; title: string }[] = [
    ...(plain ? [{ value: "plain", title: "On or off" } as const] : []),
    { value: "form", title: isNew ? "With variants" : "Form" },
    { value: "text", title: "Text" },
  ]
  return (
    <ProblemsAt value={verdict.problems}>
      <div className="views">
        <Choice label="How it is edited" options={options} value={view} onChange={setChosen} />
      </div>
      {view === "text" ? (
        <TextView text={text} wrong={wrong} onText={onText} />
      ) : (
        document && (
          <>
            <Labelled label="Description" hint="What it is for. Lists show it.">
              {(names) => (
                <input
                  {...names}
                  className="field"
                  value={document.description ?? ""}
                  autoComplete="off"
                  onChange={(event) => onChange({ ...document, description: event.target.value })}
                />
              )}
            </Labelled>
            {view === "plain" ? (
              <Plain name={name} of={document} onChange={onChange} />
            ) : (
              <div>
                <RulesForm
                  flag={name}
                  of={document}
                  valid={verdict.valid}
                  onChange={(rules) => onChange({ ...document, rules })}
                />
                <VariantsForm of={document} onChange={onChange} />
                <BeforeForm flag={name} of={document} onChange={onChange} />
                <ScheduleForm of={document} onChange={onChange} />
                <KeepingForm of={document} onChange={onChange} />
                <MoreForm of={document} onChange={onChange} />
                <Wrong at="$" but={SHOWN} />
              </div>
            )}
          </>
        )
      )}
    </ProblemsAt>
  )
}

/** What has its messages beside it. */
const SHOWN = [
  "rules variants type default offVariant overrides prerequisites holdouts schedule",
  "evaluation stickyFor metadata schema",
].flatMap((names) => names.split(" ").map((name) => `$.${name}`))

function TextView({ text, wrong, onText }: { text: string; wrong: string; onText: (text: string) => void }) {
  return (
    <div className="labelled">
      <textarea
        className="field code-field document-text"
        aria-label="Document as JSON"
        aria-invalid={wrong !== "" || undefined}
        aria-describedby="document-wrong"
        spellCheck={false}
        rows={Math.min(48, text.split("\n").length + 1)}
        value={text}
        onChange={(event) => onText(event.target.value)}
      />
      <div id="document-wrong">
        {wrong && (
          <p className="problem" role="alert">
            {wrong}
          </p>
        )}
        <Wrong at="$" conditions />
      </div>
    </div>
  )
}

/** A flag that is on where one condition holds. */
function Plain({ name, of, onChange }: { name: string; of: FlagBody; onChange: (of: FlagBody) => void }) {
  const rules = of.rules ?? []
  const [rule] = rules
  if (!rule) return null
  return (
    <div className="labelled plain-rule">
      <span>On where</span>
      <ExpressionEditor
        kind="flag"
        name={name || undefined}
        value={rule.when}
        onChange={(when) => onChange({ ...of, rules: replaced(rules, 0, { ...rule, when }) })}
        label="Condition"
        hint={'segments.regulars && context.platform == "web"'}
        words
      />
      <Wrong at="$" />
    </div>
  )
}
