/** What the numbers are divided by: one thing, or several at once. */
import { useState } from "react"
import type { Breakdown } from "../../lib/api.ts"
import { type Option, Picker } from "../../ui/picker.tsx"
import { Field } from "../query/problems.tsx"
import type { EventName } from "../query/question.ts"
import { useSegmentKeys } from "../saved/queries.ts"
import { NumberField, SelectField, TextField } from "./fields.tsx"
import { propertiesOf } from "./options.ts"
import { useNames } from "./registry.ts"

/** The server takes no more. */
const LABELS = ["Break down by", "And by", "And also by"]
const MOST = LABELS.length

type Source = "property" | "profile" | "group" | "context" | "segment"

const SOURCES: Record<Source, string> = {
  property: "Properties of the event",
  profile: "Properties of the person",
  group: "Properties of the group",
  segment: "Segments",
  context: "Context",
}

const CONTEXT = ["browser", "os", "device", "platform", "country", "library.name", "app.version", "locale"]

export type Breakdowns = Breakdown | Breakdown[] | undefined

export function breakdownsOf(given: Breakdowns): Breakdown[] {
  return Array.isArray(given) ? given : given ? [given] : []
}

/** One alone is no list, as the server writes it. */
function given(list: Breakdown[]): Breakdowns {
  return list.length > 1 ? list : list[0]
}

function sourceOf(breakdown: Breakdown): Source | undefined {
  return (Object.keys(SOURCES) as Source[]).find((source) => breakdown[source])
}

export function BreakdownsField(props: {
  events: (EventName | undefined)[]
  value: Breakdowns
  top: number
  onChange: (breakdown: Breakdowns, top: number) => void
}) {
  const { events, top, onChange } = props
  const list = breakdownsOf(props.value)
  const [more, setMore] = useState(false)
  const shown: (Breakdown | undefined)[] =
    list.length === 0 || (more && list.length < MOST) ? [...list, undefined] : list

  function put(at: number, next: Breakdown | undefined): void {
    setMore(false)
    onChange(given(next ? list.with(at, next) : list.toSpliced(at, 1)), top)
  }

  return (
    <>
      {shown.map((one, at) => (
        <BreakdownField
          // biome-ignore lint/suspicious/noArrayIndexKey: a breakdown is its place
          key={at}
          label={LABELS[at] ?? ""}
          path={list.length > 1 ? `breakdown[${at}]` : at === 0 ? "breakdown" : "breakdown[1]"}
          events={events}
          value={one}
          onChange={(next) => (one ? put(at, next) : next && onChange(given([...list, next]), top))}
        />
      ))}
      {list.length > 0 && list.length < MOST && shown.length === list.length && (
        <button type="button" className="link small q-more" onClick={() => setMore(true)}>
          + And by
        </button>
      )}
      {list.length > 0 && (
        <NumberField
          label="Groups shown"
          path="top"
          value={top}
          min={1}
          max={1000}
          onChange={(next) => onChange(props.value, next)}
        />
      )}
    </>
  )
}

function BreakdownField(props: {
  label: string
  path: string
  events: (EventName | undefined)[]
  value: Breakdown | undefined
  onChange: (breakdown: Breakdown | undefined) => void
}) {
  const { label, path, value, onChange } = props
  const names = useNames()
  const segments = useSegmentKeys()
  const source = value && sourceOf(value)
  const text = source ? `${source}:${value?.[source]}` : ""
  const of = (source: Source, values: string[]): Option[] =>
    values.map((value) => ({ value: `${source}:${value}`, title: value, group: SOURCES[source] }))
  const properties = [...new Set(props.events.flatMap((event) => propertiesOf(names, event)))]
  const options = [
    { value: "", title: "Nothing" },
    ...of("property", properties),
    ...of("profile", names?.profile ?? []),
    ...of("group", names?.group ?? []),
    ...of("segment", segments ?? []),
    ...of("context", CONTEXT),
  ]

  function choose(next: string): void {
    const colon = next.indexOf(":")
    if (next === "") {
      onChange(undefined)
      return
    }
    const [kind, name] = colon < 0 ? ["property", next] : [next.slice(0, colon), next.slice(colon + 1)]
    const at = value?.at
    onChange({ [kind]: name, ...(at && kind !== "property" && kind !== "context" ? { at } : {}) })
  }

  return (
    <>
      <Field label={label} path={path}>
        {(field) => (
          <Picker
            {...field}
            value={text}
            options={
              options.some(({ value }) => value === text)
                ? options
                : [...options, { value: text, title: text.slice(text.indexOf(":") + 1) }]
            }
            placeholder="Nothing"
            own={(name) => `Property “${name}” of the event`}
            onChange={choose}
          />
        )}
      </Field>
      {value && source && source !== "property" && source !== "context" && (
        <SelectField
          label={`${value[source]} as of`}
          path={`${path}.at`}
          value={value.at ?? "event"}
          options={[
            { value: "event", title: "the event" },
            { value: "now", title: "now" },
          ]}
          onChange={(at) => onChange({ ...value, at })}
        />
      )}
      {value && source && source !== "segment" && (
        <Bins name={value[source] ?? ""} path={`${path}.bins`} value={value} onChange={onChange} />
      )}
    </>
  )
}

/** The edges of ranges, for a number that has many values. */
function Bins(props: { name: string; path: string; value: Breakdown; onChange: (next: Breakdown) => void }) {
  const { name, path, value, onChange } = props
  const [open, setOpen] = useState(false)
  const bins = value.bins ?? []
  if (!open && bins.length === 0) {
    return (
      <button type="button" className="link small q-more" onClick={() => setOpen(true)}>
        + Ranges of numbers
      </button>
    )
  }
  return (
    <TextField
      label={`Edges of the ranges of ${name}`}
      path={path}
      placeholder="0, 10, 50"
      value={bins.join(", ")}
      onChange={(text) => {
        const edges = text.split(/[\s,;]+/).filter(Boolean)
        if (edges.every((edge) => Number.isFinite(Number(edge)))) {
          onChange({ ...value, bins: edges.length ? edges.map(Number) : undefined })
        }
      }}
    />
  )
}
