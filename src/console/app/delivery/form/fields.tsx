/** The form of a destination: what all types have, and the fields of each. */
import { Trash2, X } from "lucide-react"
import { useState } from "react"
import { useDefinitions } from "../../definitions/queries.ts"
import type { Problem } from "../../lib/client.ts"
import { entriesOf, parsed, recordOf, written } from "../../lib/json.ts"
import { Labelled, Tick } from "../../ui/fields.tsx"
import { Name, Select, Typed } from "../../ui/inputs.tsx"
import { Panel } from "../../ui/parts.tsx"
import { Picker } from "../../ui/picker.tsx"
import { BATCHED, KINDS, TYPES, typeOf } from "../words.ts"
import { messagesAt } from "./check.ts"
import { type Document, type FormedDocument, type FromVariable, withField, withType } from "./document.ts"
import { FIELDS, type FieldSpec, HEADED, NARROWED, OF_EVENTS } from "./types.ts"

interface FieldsProps {
  of: FormedDocument
  problems: Problem[]
  onChange: (of: Document) => void
}

const EVERY = "name description events segments eventNames consent sample where headers rate concurrency batch".split(
  " ",
)

/** What has its messages beside it. */
export function shownBy(document: Document): string[] {
  return [...EVERY, ...(FIELDS[typeOf(document)] ?? []).map(({ name }) => name)].map((name) => `$.${name}`)
}

/** The whole form. A new destination chooses its type; it cannot be changed later. */
export function Fields({ of, problems, onChange, isNew }: FieldsProps & { isNew: boolean }) {
  const type = typeOf(of)
  const batched = BATCHED.includes(type)
  const keep = (name: string, value: unknown) => onChange(withField(of, name, value))
  const text = (name: "name" | "description", label: string, hint: string) => (
    <Labelled label={label} hint={hint} problem={messagesAt(problems, `$.${name}`)}>
      {(names) => (
        <input
          {...names}
          className="field"
          value={of[name] ?? ""}
          autoComplete="off"
          onChange={(event) => keep(name, event.target.value || undefined)}
        />
      )}
    </Labelled>
  )
  return (
    <>
      {isNew && (
        <Labelled label="Type" hint={batched ? "It gets records, in batches." : "It gets a request for each message."}>
          {(names) => (
            <select
              {...names}
              className="field"
              value={type}
              onChange={(event) => onChange(withType(of, event.target.value))}
            >
              {Object.entries(KINDS).map(([value, title]) => (
                <option key={value} value={value}>
                  {title}
                </option>
              ))}
            </select>
          )}
        </Labelled>
      )}
      <div className="type-fields">
        {FIELDS[type]?.map((spec) => (
          <TypeField
            key={`${type} ${spec.name}`}
            spec={spec}
            value={of[spec.name]}
            problems={problems}
            onChange={(value) => keep(spec.name, value)}
          />
        ))}
      </div>
      <div className="form-row">
        {text("name", "Name", "What people call it. Empty: its key.")}
        {text("description", "Description", "What it is for.")}
      </div>
      <Events of={of} problems={problems} onChange={onChange} />
      <div className="type-fields">
        {[...((of.events ?? []).includes("event") ? OF_EVENTS : []), ...NARROWED].map((spec) => (
          <TypeField
            key={spec.name}
            spec={spec}
            value={of[spec.name]}
            problems={problems}
            onChange={(value) => keep(spec.name, value)}
          />
        ))}
      </div>
      <Labelled
        label="Only where"
        hint="A condition on the person as they are when it is sent. What does not fulfil it is left out, and does not come later."
        problem={messagesAt(problems, "$.where")}
      >
        {(names) => (
          <input
            {...names}
            className="field mono"
            value={of.where ?? ""}
            autoComplete="off"
            spellCheck={false}
            placeholder="exists(profile.email)"
            onChange={(event) => keep("where", event.target.value || undefined)}
          />
        )}
      </Labelled>
      {HEADED.includes(type) && <Headers of={of} problems={problems} onChange={onChange} />}
      {batched ? (
        <Batch of={of} problems={problems} onChange={onChange} />
      ) : (
        <Pace of={of} problems={problems} onChange={onChange} />
      )}
    </>
  )
}

export interface TypeFieldProps {
  spec: FieldSpec
  value: unknown
  problems: Problem[]
  onChange: (value: unknown) => void
}

export function TypeField({ spec, value, problems, onChange }: TypeFieldProps) {
  const { name, label, hint, kind, usual, placeholder } = spec
  // What is as usual, or empty, is left out: but a field that has to be there stays while it is written.
  const told = (next: unknown) => onChange(next === usual || (next === "" && !spec.needed) ? undefined : next)
  if (kind === "tick")
    return <Tick label={label} hint={hint} checked={(value ?? usual) === true} onChange={(on) => told(on)} />
  if (kind === "json") return <JsonField {...{ spec, value, problems, onChange }} />
  const shown = kind === "variable" ? ((value as FromVariable | undefined)?.env ?? "") : (value ?? usual ?? "")
  return (
    <Labelled label={label} hint={hint} problem={messagesAt(problems, `$.${name}`)}>
      {(names) => {
        const shared = { ...names, className: "field mono", autoComplete: "off", spellCheck: false, placeholder }
        if (kind === "choice")
          return (
            <select {...names} className="field" value={String(shown)} onChange={(event) => told(event.target.value)}>
              {spec.options?.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          )
        if (kind === "number") return <NumberField {...names} value={Number(shown)} onChange={told} />
        if (kind === "lines")
          return (
            <textarea
              {...shared}
              rows={2}
              value={Array.isArray(shown) ? shown.join("\n") : ""}
              onChange={(event) =>
                onChange(event.target.value === "" ? (spec.needed ? [] : undefined) : event.target.value.split("\n"))
              }
            />
          )
        return (
          <input
            {...shared}
            value={String(shown)}
            onChange={(event) => {
              const next = spec.spaced ? event.target.value.trimStart() : event.target.value.trim()
              told(kind === "variable" ? (next ? { env: next } : undefined) : next)
            }}
          />
        )
      }}
    </Labelled>
  )
}

/** A part of the document as its text. A text that is no JSON yet stays in the field, and changes nothing. */
function JsonField({ spec, value, problems, onChange }: TypeFieldProps) {
  const at = `$.${spec.name}`
  const now = value === undefined || value === null ? "" : written(value, 2)
  const [text, setText] = useState(now)
  const [told, setTold] = useState(now)
  // What comes from elsewhere replaces what was typed.
  if (now !== told) {
    setTold(now)
    setText(now)
  }
  const read = readJson(text)
  const wrong = read === undefined ? "This is not JSON yet." : placesAt(problems, at)
  return (
    <Labelled label={spec.label} hint={spec.hint} problem={wrong}>
      {(names) => (
        <textarea
          {...names}
          className="field mono"
          rows={Math.min(24, Math.max(3, text.split("\n").length))}
          spellCheck={false}
          placeholder={spec.placeholder}
          value={text}
          onChange={(event) => {
            setText(event.target.value)
            const next = readJson(event.target.value)
            if (next === undefined) return
            setTold(next.value === undefined ? "" : written(next.value, 2))
            onChange(next.value)
          }}
        />
      )}
    </Labelled>
  )
}

/** The value of a text, which may be none; nothing if the text is no JSON. */
function readJson(text: string): { value: unknown } | undefined {
  if (text.trim() === "") return { value: undefined }
  try {
    const value = parsed(text)
    return { value: value === null ? undefined : value }
  } catch {
    return undefined
  }
}

/** The messages within a part, each with its place there. */
function placesAt(problems: Problem[], at: string): string {
  return problems
    .filter(({ path }) => path === at || path.startsWith(`${at}.`) || path.startsWith(`${at}[`))
    .map(({ path, message }) => (path === at ? message : `${path}: ${message}`))
    .join(" ")
}

function Pace({ of, problems, onChange }: FieldsProps) {
  const keep = (name: string, value: unknown) => onChange(withField(of, name, value))
  return (
    <Panel title="How fast">
      <div className="form-row">
        <Labelled label="A second at most" hint="0: no limit." problem={messagesAt(problems, "$.rate")}>
          {(names) => <NumberField {...names} value={of.rate ?? 0} onChange={(n) => keep("rate", n || undefined)} />}
        </Labelled>
        <Labelled label="At once at most" hint="1 to 64." problem={messagesAt(problems, "$.concurrency")}>
          {(names) => (
            <NumberField
              {...names}
              value={of.concurrency ?? 8}
              onChange={(n) => keep("concurrency", n === 8 ? undefined : n)}
            />
          )}
        </Labelled>
      </div>
      <Paused of={of} onChange={onChange} />
    </Panel>
  )
}

/** When a batch is full; an empty field is as the type has it. */
function Batch({ of, problems, onChange }: FieldsProps) {
  const keep = (name: "rows" | "seconds", n: number | undefined) => {
    const next = withField(of.batch ?? {}, name, n)
    onChange(withField(of, "batch", Object.keys(next).length ? next : undefined))
  }
  const field = (name: "rows" | "seconds", label: string, hint: string) => (
    <Labelled label={label} hint={hint} problem={messagesAt(problems, `$.batch.${name}`)}>
      {(names) => (
        <input
          {...names}
          type="number"
          min={1}
          className="field"
          value={of.batch?.[name] ?? ""}
          onChange={(event) => keep(name, event.target.value === "" ? undefined : Number(event.target.value))}
        />
      )}
    </Labelled>
  )
  return (
    <Panel title="Batches">
      <div className="form-row">
        {field("rows", "Records at most", "Empty: as usual for the type.")}
        {field("seconds", "Seconds at most", "Since its oldest record. Empty: as usual for the type.")}
      </div>
      <Paused of={of} onChange={onChange} />
    </Panel>
  )
}

function Paused({ of, onChange }: Omit<FieldsProps, "problems">) {
  return (
    <Tick
      label="Paused"
      hint="Nothing is sent while its document says so. What happens meanwhile waits."
      checked={of.paused ?? false}
      onChange={(on) => onChange(withField(of, "paused", on || undefined))}
    />
  )
}

interface NumberFieldProps {
  id: string
  "aria-describedby": string | undefined
  "aria-invalid": boolean | undefined
  value: number
  onChange: (n: number) => void
}

function NumberField({ value, onChange, ...names }: NumberFieldProps) {
  return (
    <input
      {...names}
      type="number"
      min={0}
      step="any"
      className="field"
      value={Number.isFinite(value) ? value : ""}
      onChange={(event) => event.target.value !== "" && onChange(Number(event.target.value))}
    />
  )
}

function Events({ of, problems, onChange }: FieldsProps) {
  const events = of.events ?? []
  const segments = of.segments ?? []
  const known = useDefinitions("segments").data ?? []
  const all = [...new Set([...Object.keys(TYPES), ...events])]
  const wrong = messagesAt(problems, "$.events")
  const named = (next: string[]) => onChange(withField(of, "segments", next.length ? next : undefined))
  return (
    <Panel title="What it gets">
      {/* In their usual order, however they are ticked. */}
      {all.map((type) => (
        <Tick
          key={type}
          label={<code>{type}</code>}
          hint={TYPES[type] && `When ${TYPES[type]}.`}
          checked={events.includes(type)}
          onChange={(on) =>
            onChange({ ...of, events: all.filter((one) => (one === type ? on : events.includes(one))) })
          }
        />
      ))}
      {wrong && (
        <p className="problem" role="alert">
          {wrong}
        </p>
      )}
      {(events.some((type) => type.startsWith("segment.")) || segments.length > 0) && (
        <div className="destination-segments">
          <Labelled
            label="Only of these segments"
            hint={segments.length === 0 ? "None is named: it gets those of all segments." : undefined}
            problem={messagesAt(problems, "$.segments")}
          >
            {(names) => (
              <Picker
                {...names}
                value=""
                placeholder="Add a segment"
                options={known
                  .filter(({ key }) => !segments.includes(key))
                  .map(({ key, description }) => ({ value: key, hint: description }))}
                onChange={(key) => named([...segments, key])}
              />
            )}
          </Labelled>
          {segments.length > 0 && (
            <ul className="chips" aria-label="Segments">
              {segments.map((key) => (
                <li key={key}>
                  {key}
                  <button
                    type="button"
                    aria-label={`Remove ${key}`}
                    onClick={() => named(segments.filter((one) => one !== key))}
                  >
                    <X aria-hidden="true" />
                  </button>
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
    </Panel>
  )
}

type Value = string | FromVariable

const BEARER = "Bearer "

function valueFrom(kind: string, value: Value): Value {
  if (kind === "value") return ""
  const env = typeof value === "string" ? "DELIVERY_" : value.env
  return kind === "bearer" ? { env, prefix: BEARER } : { env }
}

function Headers({ of, problems, onChange }: FieldsProps) {
  const headers = entriesOf(of.headers ?? {}) as [string, Value][]
  const keep = (next: [string, Value][]) => onChange(withField(of, "headers", next.length ? recordOf(next) : undefined))
  const replace = (at: number, one: [string, Value]) => keep(headers.map((kept, index) => (index === at ? one : kept)))
  const taken = new Set(headers.map(([name]) => name))
  const free = (n: number): string => (taken.has(`X-Header-${n}`) ? free(n + 1) : `X-Header-${n}`)
  const wrong = messagesAt(problems, "$.headers")
  return (
    <Panel title="Headers" aside={<span className="mute">beside those of the standard</span>}>
      <ul className="header-rows" aria-label="Headers">
        {headers.map(([name, value], index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a name may be written anew
          <li key={index}>
            <Name
              label={`Name of header ${index + 1}`}
              value={name}
              accepts={(text) => text !== "" && !taken.has(text)}
              onChange={(text) => replace(index, [text, value])}
            />
            <Select
              label={`Where the value of ${name} comes from`}
              value={typeof value === "string" ? "value" : value.prefix === BEARER ? "bearer" : "env"}
              options={[
                { value: "value", title: "is" },
                { value: "env", title: "from variable" },
                { value: "bearer", title: "Bearer, from variable" },
              ]}
              onChange={(kind) => replace(index, [name, valueFrom(kind, value)])}
            />
            <Typed
              label={typeof value === "string" ? `Value of ${name}` : `Variable of ${name}`}
              className="mono"
              placeholder={typeof value === "string" ? undefined : "DELIVERY_CRM_TOKEN"}
              value={typeof value === "string" ? value : value.env}
              onChange={(text) =>
                replace(index, [name, typeof value === "string" ? text : { ...value, env: text.trim() }])
              }
            />
            <button
              type="button"
              className="icon-button"
              aria-label={`Remove the header ${name}`}
              onClick={() => keep(headers.filter((_, at) => at !== index))}
            >
              <Trash2 aria-hidden="true" />
            </button>
          </li>
        ))}
      </ul>
      {wrong && (
        <p className="problem" role="alert">
          {wrong}
        </p>
      )}
      <button type="button" className="button small" onClick={() => keep([...headers, [free(1), ""]])}>
        Add a header
      </button>
      {headers.some(([, value]) => typeof value === "string") && (
        <p className="mute small">
          Lists, versions and files show values. A token belongs in a variable of the worker, whose name begins with
          DELIVERY_.
        </p>
      )}
    </Panel>
  )
}
