/**
 * The text field of the expression editor: CodeMirror, with what the server knows about the language.
 *
 * Loaded when the first editor is shown. It draws and edits; what is right, known or meant, is asked of the server.
 */
import {
  autocompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  insertBracket,
  startCompletion,
} from "@codemirror/autocomplete"
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands"
import { Compartment, EditorState, type Extension, StateEffect, StateField } from "@codemirror/state"
import {
  Decoration,
  type DecorationSet,
  drawSelection,
  EditorView,
  hoverTooltip,
  keymap,
  placeholder,
  type Tooltip,
} from "@codemirror/view"
import { getNonce } from "get-nonce"
import { tokens } from "../../lib/tokens.ts"
import { changeBetween, offsetAt, pointAt } from "./positions.ts"
import { type Asked, completions, hover } from "./services.ts"

/** Characters of the source that are marked, as offsets. */
export interface Marked {
  from: number
  to: number
  as: "error" | "warning" | "part"
}

export interface Wanted {
  source: string
  label: string
  describedBy: string
  hint: string
  oneLine: boolean
  asked: () => Asked
  onChange: (source: string) => void
  /** Where the caret is, and where the pointer is or was last. */
  onCaret: (caret: number, focused: boolean) => void
  onPoint: (offset: number | null) => void
  onFormat: () => void
  onFix: () => boolean
}

/** After one of these, and after letters, the server is asked what may follow. */
const COMPLETED_AFTER = /[\p{L}\p{N}_.("']$/u

/** The server's answer has no more. */
const MOST_PROPOSALS = 50

const marks = StateEffect.define<Marked[]>()

const marked = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(shown, transaction) {
    let next = shown.map(transaction.changes)
    for (const effect of transaction.effects) {
      if (effect.is(marks))
        next = Decoration.set(
          effect.value.flatMap((one) => decorated(one, transaction.newDoc.length)),
          true,
        )
    }
    return next
  },
  provide: (field) => EditorView.decorations.from(field),
})

function decorated({ from, to, as }: Marked, length: number) {
  // An error at the end of the text, or between two characters, is shown at the character before.
  const start = Math.min(from === to ? from - 1 : from, length - 1)
  const end = Math.min(to, length)
  return start < 0 || end <= start ? [] : [Decoration.mark({ class: `marked-${as}` }).range(start, end)]
}

const coloured = StateField.define<DecorationSet>({
  create: ({ doc }) => colours(doc.toString()),
  update: (shown, transaction) => (transaction.docChanged ? colours(transaction.newDoc.toString()) : shown),
  provide: (field) => EditorView.decorations.from(field),
})

function colours(source: string): DecorationSet {
  let at = 0
  const ranges = tokens(source).flatMap(({ kind, text }) => {
    const from = at
    at += text.length
    return kind === "other" ? [] : [Decoration.mark({ class: `token-${kind}` }).range(from, at)]
  })
  return Decoration.set(ranges)
}

/** A view that React holds: it says what a person did, and takes what is to be shown. */
export class SourceView {
  readonly #view: EditorView
  readonly #invalid = new Compartment()

  constructor(parent: HTMLElement, wanted: Wanted) {
    this.#view = new EditorView({
      parent,
      state: EditorState.create({ doc: wanted.source, extensions: [extensions(wanted), this.#invalid.of([])] }),
    })
  }

  /** Show another source; the caret stays at its characters. */
  show(source: string): void {
    const change = changeBetween(this.#view.state.doc.toString(), source)
    if (change) this.#view.dispatch({ changes: change })
  }

  mark(shown: Marked[]): void {
    const invalid = shown.some(({ as }) => as === "error")
    const attributes = EditorView.contentAttributes.of({ "aria-invalid": String(invalid) })
    this.#view.dispatch({ effects: [marks.of(shown), this.#invalid.reconfigure(attributes)] })
  }

  /** Give it the keyboard, with the caret at the offset. */
  focus(offset?: number): void {
    if (offset !== undefined)
      this.#view.dispatch({ selection: { anchor: Math.min(offset, this.#view.state.doc.length) } })
    this.#view.focus()
  }

  destroy(): void {
    this.#view.destroy()
  }
}

function extensions(wanted: Wanted): Extension[] {
  const own = keymap.of([
    {
      key: "Shift-Alt-f",
      run: () => {
        wanted.onFormat()
        return true
      },
    },
    { key: "Mod-.", run: wanted.onFix },
  ])
  // ⌘Enter publishes: the page has it.
  const usual = defaultKeymap.filter(({ key }) => key !== "Mod-Enter")
  return [
    EditorView.cspNonce.of(getNonce() ?? ""),
    own,
    history(),
    drawSelection(),
    closeBrackets(),
    autocompletion({ override: [(context) => proposed(context, wanted)], icons: false, interactionDelay: 0 }),
    keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...usual]),
    coloured,
    marked,
    hoverTooltip((view, offset) => explained(view, offset, wanted)),
    wanted.oneLine ? onOneLine : EditorView.lineWrapping,
    placeholder(wanted.hint),
    EditorView.contentAttributes.of({
      "aria-label": wanted.label,
      "aria-describedby": wanted.describedBy,
      "aria-multiline": String(!wanted.oneLine),
      spellcheck: "false",
      autocorrect: "off",
      autocapitalize: "off",
    }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) wanted.onChange(update.state.doc.toString())
      if (update.docChanged || update.selectionSet || update.focusChanged)
        wanted.onCaret(update.state.selection.main.head, update.view.hasFocus)
    }),
    EditorView.domEventHandlers({
      mousemove: (event, view) => wanted.onPoint(view.posAtCoords({ x: event.clientX, y: event.clientY })),
      mouseleave: () => wanted.onPoint(null),
    }),
  ]
}

/** A field of one line: what is pasted from several lines is joined, and Enter is the form's. */
const onOneLine: Extension = EditorState.transactionFilter.of((transaction) => {
  if (!transaction.docChanged || transaction.newDoc.lines === 1) return transaction
  const text = transaction.newDoc.toString()
  const joined = text.replace(/\s*\n\s*/g, " ")
  if (transaction.isUserEvent("input.type")) return []
  const changes = { from: 0, to: transaction.startState.doc.length, insert: joined }
  return [{ changes, selection: { anchor: joined.length }, userEvent: "input.paste" }]
})

async function proposed(context: CompletionContext, wanted: Wanted): Promise<CompletionResult | null> {
  const source = context.state.doc.toString()
  if (!context.explicit && !COMPLETED_AFTER.test(source.slice(0, context.pos))) return null
  const stop = new AbortController()
  context.addEventListener("abort", () => stop.abort())
  const found = await completions(wanted.asked(), source, pointAt(source, context.pos), stop.signal).catch(() => null)
  if (!found || context.aborted || found.items.length === 0) return null
  const options = found.items.map(
    ({ label, insert, detail, kind, score }): Completion => ({
      label,
      detail,
      type: kind,
      boost: Math.round(99 * score),
      apply: (view, _, from, to) => insertProposal(view, insert, from, to),
    }),
  )
  // What is all there is stays right while the name is typed on: the next key need not wait for the server.
  const whole = found.items.length < MOST_PROPOSALS
  const place = { from: offsetAt(source, found.from), to: offsetAt(source, found.to), options }
  return whole ? { ...place, validFor: /^[\p{L}\p{N}_]*$/u } : { ...place, filter: false }
}

/** What is inserted may end in brackets, which are closed as if they were typed, or in a dot: more may follow. */
function insertProposal(view: EditorView, insert: string, from: number, to: number): void {
  const name = insert.replace(/[("]+$/, "")
  view.dispatch({
    changes: { from, to, insert: name },
    selection: { anchor: from + name.length },
    userEvent: "input.complete",
  })
  for (const bracket of insert.slice(name.length)) {
    const at = view.state.selection.main.head
    view.dispatch(
      insertBracket(view.state, bracket) ??
        view.state.update({ changes: { from: at, insert: bracket }, selection: { anchor: at + 1 } }),
    )
  }
  if (/[.("]$/.test(insert)) startCompletion(view)
}

async function explained(view: EditorView, offset: number, wanted: Wanted): Promise<Tooltip | null> {
  const source = view.state.doc.toString()
  const found = await hover(wanted.asked(), source, pointAt(source, offset)).catch(() => null)
  if (!found?.markdown) return null
  const text = found.markdown
  return {
    pos: offsetAt(source, found.from),
    end: offsetAt(source, found.to),
    above: true,
    create: () => ({ dom: written(text) }),
  }
}

/** The server's Markdown: paragraphs, bold words and code. Built as nodes, since its words come from people. */
function written(markdown: string): HTMLElement {
  const place = document.createElement("div")
  place.className = "hover-text"
  for (const block of markdown.split(/\n{2,}/)) {
    const code = /^```\w*\n([\s\S]*?)\n?```$/.exec(block)
    const part = document.createElement(code ? "pre" : "p")
    if (code) part.textContent = code[1] ?? ""
    else part.append(...block.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map(inline))
    place.append(part)
  }
  return place
}

function inline(text: string): Node {
  const found = /^(?:\*\*([^*]+)\*\*|`([^`]+)`)$/.exec(text)
  if (!found) return document.createTextNode(text)
  const part = document.createElement(found[1] === undefined ? "code" : "b")
  part.textContent = found[1] ?? found[2] ?? ""
  return part
}
