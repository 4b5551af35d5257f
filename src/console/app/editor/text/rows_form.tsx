/** An expression as rows: one for each term, whose parts are chosen or written. The text stays the truth. */
import { Trash2 } from "lucide-react"
import { useState } from "react"
import { useDefinitions } from "../../definitions/queries.ts"
import { useNames } from "../../insights/builder/registry.ts"
import type { Term } from "../../lib/api.ts"
import { Name, Select } from "../../ui/inputs.tsx"
import { Code } from "../../ui/parts.tsx"
import { type Apart, type Cell, cellsOf, replacedIn, textAt, withoutTerm, withTerm } from "./rows.ts"
import type { Check } from "./services.ts"

interface RowsProps {
  value: string
  check: Check | undefined
  onChange: (source: string) => void
  /** Goes to the text. */
  onText: () => void
}

export function Rows({ value, check, onChange, onText }: RowsProps) {
  const [own, setOwn] = useState<Apart>()
  const empty = value.trim() === "" ? { source: value, terms: [] } : undefined
  const checked = check?.source === value ? { source: value, terms: check.meaning.terms } : empty
  // What was edited here is known apart before the server says so.
  const apart = checked ?? (own?.source === value ? own : undefined)
  const joins = new Set(apart?.terms.map(({ join }) => join))

  if (!apart) return <p className="mute rows-wait">The text is being read.</p>
  if (apart.terms.length === 0 && value.trim() !== "")
    return (
      <p className="rows-wait">
        The text cannot be read, so it has no rows.{" "}
        <button type="button" className="link inline" onClick={onText}>
          Mend the text
        </button>
      </p>
    )
  return (
    <div className="rows">
      {apart.terms.length > 1 && (
        <p className="mute">{joins.has("or") ? "Any of these has to hold" : "All of these have to hold"}</p>
      )}
      <ol aria-label="Rows">
        {apart.terms.map((term, index) => {
          const cells = cellsOf(apart.source, term)
          const name = `row ${index + 1}`
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: a term has no other name than its place
            <li key={index} className="term-row" aria-label={name}>
              {cells.length === 0 ? (
                <button type="button" className="term-text" title="Edit it as text" onClick={onText}>
                  <Code inline source={textAt(apart.source, term)} />
                </button>
              ) : (
                <>
                  {term.negated && <span className="mute">not</span>}
                  <span className="mute term-kind">{kindOf(term)}</span>
                  {cells.map((cell) => (
                    <CellField
                      key={cell.role}
                      of={cell}
                      name={name}
                      onChange={(text) => {
                        const edit = { start: cell.from, end: cell.to, text: cell.written(text) }
                        const next = replacedIn(apart, edit)
                        setOwn(renewed(next, index, cell, text))
                        onChange(next.source)
                      }}
                    />
                  ))}
                </>
              )}
              <button
                type="button"
                className="icon-button"
                aria-label={`Remove ${name}`}
                onClick={() => onChange(withoutTerm(apart, index))}
              >
                <Trash2 aria-hidden="true" />
              </button>
            </li>
          )
        })}
      </ol>
      <Add onAdd={(term) => onChange(withTerm(apart, term))} />
    </div>
  )
}

/** The apart text with what was written also in the shape of its term: until the server says it, rows show it. */
function renewed(apart: Apart, index: number, { role }: Cell, text: string): Apart {
  const terms = apart.terms.map((term, at) => {
    if (at !== index || !term.shape) return term
    const shape = structuredClone(term.shape)
    if (role === "subject") shape.subject.name = text
    if (role === "measure" && shape.measure) shape.measure.function = text
    if (role === "property" && shape.measure?.property) shape.measure.property.text = text
    if (role === "window" && shape.window) shape.window.text = text
    if (role === "comparison" && shape.comparison) shape.comparison.op = text
    if (role === "value" && shape.value?.type === "string") shape.value.value = text
    return { ...term, shape }
  })
  return { ...apart, terms }
}

/** What a row is about. */
function kindOf({ shape }: Term): string {
  const kind = shape?.subject.kind
  return kind === "any" || kind === undefined ? "" : kind
}

const TITLES: Record<Cell["role"], string> = {
  subject: "Subject",
  where: "Filter",
  measure: "Measure",
  property: "Property",
  window: "Window",
  comparison: "Comparison",
  value: "Value",
}

function CellField({ of, name, onChange }: { of: Cell; name: string; onChange: (text: string) => void }) {
  const label = `${TITLES[of.role]} of ${name}`
  if (of.choices) return <Select label={label} value={of.text} options={of.choices} onChange={onChange} />
  if (of.accepts) {
    const size = of.role === "value" || of.role === "window" ? "narrow" : ""
    return <Name label={label} className={size} value={of.text} accepts={of.accepts} onChange={onChange} />
  }
  if (of.role === "where")
    return (
      <span className="mute">
        where <Code inline source={of.text} />
      </span>
    )
  return <span className="term-part">{of.text}</span>
}

/** A condition over a trait, of its type. */
function ofTrait(name: string, type = "bool"): string {
  const ends: Record<string, string> = { number: " >= 1", string: ' == ""', bool: "" }
  return type in ends ? name + ends[type] : `exists(${name})`
}

const KINDS = [
  { value: "event", title: "an event", term: (name: string) => `events.${name}.count_30d >= 1` },
  { value: "trait", title: "a trait", term: ofTrait },
  { value: "segment", title: "a segment", term: (name: string) => `segments.${name}` },
  { value: "property", title: "a property", term: (name: string) => `exists(profile.${name})` },
]

/** Another row: what it is about, and its name. */
function Add({ onAdd }: { onAdd: (term: string) => void }) {
  const [kind, setKind] = useState("event")
  const [name, setName] = useState("")
  const traits = useDefinitions("traits").data ?? []
  const segments = useDefinitions("segments").data ?? []
  const names = useNames()
  const known = {
    event: Object.keys(names?.events ?? {}),
    trait: traits.map(({ key }) => key),
    segment: segments.map(({ key }) => key),
    property: names?.profile ?? [],
  }[kind]
  const one = KINDS.find(({ value }) => value === kind)
  const ready = /^[A-Za-z_]\w*$/.test(name)

  function add(): void {
    if (!ready || !one) return
    const trait = traits.find(({ key }) => key === name)
    onAdd(one.term(name, trait && "type" in trait ? trait.type : undefined))
    setName("")
  }

  return (
    <div className="add-row">
      <Select label="What the new row is about" value={kind} options={KINDS} onChange={setKind} />
      <input
        className="field mono"
        aria-label="Name for the new row"
        list="row-names"
        placeholder={kind === "event" ? "purchase" : "name"}
        autoComplete="off"
        spellCheck={false}
        value={name}
        onChange={(event) => setName(event.target.value.trim())}
        onKeyDown={(event) => event.key === "Enter" && !event.ctrlKey && !event.metaKey && add()}
      />
      <datalist id="row-names">
        {known?.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <button type="button" className="button" disabled={!ready} onClick={add}>
        Add a row
      </button>
    </div>
  )
}
