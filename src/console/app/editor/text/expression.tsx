/**
 * The editor of an expression: its text, what is wrong with it and how to mend it, and what it means in plain English.
 *
 * Laws: nothing is marked where a person is still typing. What was said last stays until something else is said, but a
 * fix is only made to the text that it is for.
 */
import { type ReactNode, type RefObject, useEffect, useId, useMemo, useRef, useState } from "react"
import type { Diagnostic, Fix } from "../../lib/api.ts"
import { plural } from "../../lib/format.ts"
import { Code } from "../../ui/parts.tsx"
import type { Marked, SourceView } from "./codemirror.ts"
import "../editor.css"
import { useRested } from "../../lib/rested.ts"
import { edited, offsetAt } from "./positions.ts"
import { type Asked, type Check, formatted, useCheck } from "./services.ts"
import { type Part, Words } from "./words.tsx"

/** What is wrong where the caret is waits so long for the rest of the word. */
const CARET_MS = 800

export interface ExpressionProps extends Asked {
  value: string
  onChange: (source: string) => void
  /** What the field is called by those who do not see it. */
  label: string
  oneLine?: boolean
  hint?: string
  /** Say in plain English what a valid source means. */
  words?: boolean
  /** Called with each source that was checked. */
  onCheck?: (check: Check) => void
  focused?: boolean
}

interface Problem {
  diagnostic: Diagnostic
  from: number
  to: number
}

export function ExpressionEditor(props: ExpressionProps) {
  const { kind, name, value, onChange, oneLine = false, words = false, onCheck } = props
  const messages = useId()
  const [part, setPart] = useState<Part | null>(null)
  const [pointed, setPointed] = useState<number | null>(null)
  const [caret, setCaret] = useState({ at: 0, focused: false })
  const list = useRef<HTMLUListElement>(null)
  const view = useRef<SourceView>(null)

  const check = useCheck({ kind, name }, value)
  const checked = value.trim() === "" ? undefined : check.data
  // biome-ignore lint/correctness/useExhaustiveDependencies: who is told may be another function each time
  useEffect(() => {
    if (checked && !check.isPlaceholderData) onCheck?.(checked)
  }, [checked, check.isPlaceholderData])

  const resting = useRested(value, CARET_MS) === value
  const found = useProblems(checked, value)
  const problems = found.filter(({ from, to }) => resting || !caret.focused || caret.at < from || caret.at > to)
  const marked = useMarks(problems, part, value)

  const current = checked?.source === value

  function mend({ edits }: Fix): void {
    if (!current) return
    onChange(edited(value, edits))
    view.current?.focus()
  }

  function mendFirst(): boolean {
    if (!current) return true // its fixes are on their way
    const fixes = found.flatMap(({ diagnostic }) => diagnostic.fixes)
    if (fixes.length === 1 && fixes[0]) mend(fixes[0])
    else list.current?.querySelector<HTMLButtonElement>("button.fix")?.focus()
    return fixes.length > 0
  }

  const errors = problems.filter(({ diagnostic }) => diagnostic.severity === "error").length
  return (
    <div className="expression" data-one-line={oneLine || undefined}>
      <Field
        {...props}
        describedBy={messages}
        marked={marked}
        view={view}
        onCaret={(at, focused) => setCaret({ at, focused })}
        onPoint={setPointed}
        onFormat={async () => onChange(await formatted(value))}
        onFix={mendFirst}
      />
      <div className="messages" id={messages}>
        <ul ref={list}>
          {problems.map(({ diagnostic, from }) => (
            <Message
              key={`${diagnostic.code} ${from} ${diagnostic.message}`}
              of={diagnostic}
              oneLine={oneLine}
              mend={current ? mend : undefined}
            />
          ))}
        </ul>
        <span className="hidden" role="status">
          {errors ? plural(errors, "error") : checked?.meaning.valid && current ? "No errors" : ""}
        </span>
      </div>
      {words && (
        <Words asked={{ kind, name }} source={lastValid(checked)} current={value} pointed={pointed} onPart={setPart} />
      )}
    </div>
  )
}

function lastValid(check: Check | undefined): string | undefined {
  return check?.meaning.valid ? check.source : undefined
}

/** The errors and warnings, with their places in the text of now: those of a former text stay until it is checked. */
function useProblems(check: Check | undefined, value: string): Problem[] {
  return useMemo(() => {
    if (!check) return []
    const text = check.source
    return check.meaning.diagnostics.map((diagnostic) => ({
      diagnostic,
      from: offsetAt(text, diagnostic.span.start),
      to: Math.min(offsetAt(text, diagnostic.span.end), value.length),
    }))
  }, [check, value])
}

function useMarks(problems: Problem[], part: Part | null, source: string): Marked[] {
  const wrong = problems.map(({ diagnostic, from, to }): Marked => ({ from, to, as: diagnostic.severity }))
  const shown: Marked[] = part
    ? [...wrong, { from: offsetAt(source, part.from), to: offsetAt(source, part.to), as: "part" }]
    : wrong
  const same = JSON.stringify(shown)
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is the same as long as it says the same
  return useMemo(() => shown, [same])
}

function Message({ of, oneLine, mend }: { of: Diagnostic; oneLine: boolean; mend?: (fix: Fix) => void }) {
  return (
    <li className={of.severity}>
      <span>
        {!oneLine && of.span.line > 1 && <span className="mute">Line {of.span.line}: </span>}
        {of.message} <code>{of.code}</code>
      </span>
      {of.fixes.map((fix) => (
        <button key={fix.title} type="button" className="fix" disabled={!mend} onClick={() => mend?.(fix)}>
          {fix.title}
        </button>
      ))}
    </li>
  )
}

interface FieldProps extends ExpressionProps {
  describedBy: string
  marked: Marked[]
  view: RefObject<SourceView | null>
  onCaret: (caret: number, focused: boolean) => void
  onPoint: (offset: number | null) => void
  onFormat: () => void
  onFix: () => boolean
}

/** The text field. Until its code is there, the text is shown in its place, at the same height. */
function Field(props: FieldProps): ReactNode {
  const place = useRef<HTMLDivElement>(null)
  const { view } = props
  const [ready, setReady] = useState(false)
  const now = useRef(props)
  now.current = props

  useEffect(() => {
    let away = false
    import("./codemirror.ts").then(({ SourceView: View }) => {
      if (away || !place.current) return
      view.current = new View(place.current, {
        source: now.current.value,
        label: now.current.label,
        describedBy: now.current.describedBy,
        hint: now.current.hint ?? "",
        oneLine: now.current.oneLine ?? false,
        asked: () => now.current,
        onChange: (source) => now.current.onChange(source),
        onCaret: (caret, focused) => now.current.onCaret(caret, focused),
        onPoint: (offset) => now.current.onPoint(offset),
        onFormat: () => now.current.onFormat(),
        onFix: () => now.current.onFix(),
      })
      setReady(true)
      if (now.current.focused) view.current.focus(now.current.value.length)
    })
    return () => {
      away = true
      view.current?.destroy()
      view.current = null
    }
  }, [view])

  useEffect(() => view.current?.show(props.value), [props.value, view])
  // biome-ignore lint/correctness/useExhaustiveDependencies: a view that is ready takes the marks of before
  useEffect(() => view.current?.mark(props.marked), [props.marked, ready, view])

  return (
    <>
      {!ready && <Code source={props.value || " "} />}
      <div ref={place} className="source-field" data-ready={ready || undefined} />
    </>
  )
}
