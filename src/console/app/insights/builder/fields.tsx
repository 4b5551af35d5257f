/** The parts that questions are built of. Each says where in the question it stands, and shows what is wrong there. */
import { useEffect, useState } from "react"
import { useZone } from "../../lib/me.ts"
import { Tick } from "../../ui/fields.tsx"
import { Picker } from "../../ui/picker.tsx"
import { Field } from "../query/problems.tsx"
import { type Bucket, type EventName, nameOfEvent } from "../query/question.ts"
import { useSavedEvents } from "../saved/queries.ts"
import { MEASURES } from "./measures.ts"
import { eventOptions, propertiesOf } from "./options.ts"
import { daysOf, LASTS, rangeOf, shifted, today } from "./range.ts"
import { useEvents, useNames } from "./registry.ts"

const REST_MS = 500
/** Derived events have a name of their own, which may be that of an event. */
const DERIVED = "derived:"

/** An event of the registry, any event, or a saved one. */
export function EventField(props: {
  label: string
  path: string
  quiet?: boolean
  any?: boolean
  value: EventName | undefined
  onChange: (event: EventName) => void
}) {
  const events = useEvents()
  const saved = useSavedEvents()
  const { value = "" } = props
  const derived = (saved ?? []).map(({ key, name }) => ({
    value: DERIVED + key,
    title: name || key,
    hint: "saved event",
  }))
  const text = typeof value === "string" ? value : value.derived ? DERIVED + value.derived : nameOfEvent(value)
  return (
    <Field label={props.label} path={props.path} quiet={props.quiet}>
      {(field) => (
        <Picker
          {...field}
          value={text}
          options={[...eventOptions(events.data, props.any ?? true), ...derived]}
          placeholder="Choose an event"
          own={(name) => `Event “${name}”`}
          onChange={(next) => props.onChange(next.startsWith(DERIVED) ? { derived: next.slice(DERIVED.length) } : next)}
        />
      )}
    </Field>
  )
}

/** A property of an event. */
export function PropertyField(props: {
  label: string
  path: string
  quiet?: boolean
  event: EventName | undefined
  value: string
  onChange: (property: string) => void
}) {
  const names = useNames()
  return (
    <Field label={props.label} path={props.path} quiet={props.quiet}>
      {(field) => (
        <Picker
          {...field}
          value={props.value}
          options={propertiesOf(names, props.event).map((value) => ({ value }))}
          placeholder="Choose a property"
          own={(name) => `Property “${name}”`}
          onChange={props.onChange}
        />
      )}
    </Field>
  )
}

/** What is measured. */
export function MeasureField(props: {
  label: string
  path: string
  value: string
  onChange: (measure: string) => void
}) {
  const groups = [...new Set(MEASURES.map(({ group }) => group))]
  const other = MEASURES.every(({ value }) => value !== props.value)
  return (
    <Field label={props.label} path={props.path} quiet>
      {(field) => (
        <select
          {...field}
          className="field"
          value={props.value}
          onChange={(event) => props.onChange(event.target.value)}
        >
          {groups.map((group) => (
            <optgroup key={group} label={group}>
              {MEASURES.filter((one) => one.group === group).map(({ value, title }) => (
                <option key={value} value={value}>
                  {title}
                </option>
              ))}
            </optgroup>
          ))}
          {other && <option value={props.value}>{props.value}</option>}
        </select>
      )}
    </Field>
  )
}

/** A text that becomes the question's once the typing rests, the field is left, or Enter is pressed. */
export function TextField(props: {
  label: string
  path: string
  quiet?: boolean
  mono?: boolean
  value: string
  placeholder?: string
  onChange: (text: string) => void
}) {
  const [text, setText] = useState(props.value)
  useEffect(() => setText(props.value), [props.value])
  function commit(next: string): void {
    if (next.trim() !== props.value) props.onChange(next.trim())
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: only typing begins the wait
  useEffect(() => {
    const timer = setTimeout(() => commit(text), REST_MS)
    return () => clearTimeout(timer)
  }, [text])
  return (
    <Field label={props.label} path={props.path} quiet={props.quiet}>
      {(field) => (
        <input
          {...field}
          className={props.mono ? "field mono" : "field"}
          type="text"
          autoComplete="off"
          spellCheck={false}
          placeholder={props.placeholder}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onBlur={() => commit(text)}
          onKeyDown={(event) => event.key === "Enter" && commit(text)}
        />
      )}
    </Field>
  )
}

/** A condition in the language: over an event as of the event, or over people as of now. */
export function ConditionField(props: {
  label: string
  path: string
  quiet?: boolean
  value: string
  placeholder?: string
  /** Whose properties it may name; a condition over people without it. */
  event?: EventName
  onChange: (condition: string) => void
}) {
  const placeholder = props.placeholder ?? (props.event === undefined ? 'profile.plan == "pro"' : "amount >= 50")
  return <TextField {...props} mono placeholder={placeholder} />
}

/** A number of the question. */
export function NumberField(props: {
  label: string
  path: string
  value: number
  min: number
  max: number
  onChange: (n: number) => void
}) {
  return (
    <Field label={props.label} path={props.path}>
      {(field) => (
        <input
          {...field}
          className="field"
          type="number"
          min={props.min}
          max={props.max}
          value={props.value}
          onChange={(event) =>
            Number.isInteger(event.target.valueAsNumber) && props.onChange(event.target.valueAsNumber)
          }
        />
      )}
    </Field>
  )
}

/** One of a few. */
export function SelectField<Value extends string>(props: {
  label: string
  path: string
  quiet?: boolean
  value: Value
  options: readonly { value: Value; title: string }[]
  onChange: (value: Value) => void
}) {
  return (
    <Field label={props.label} path={props.path} quiet={props.quiet}>
      {(field) => (
        <select
          {...field}
          className="field"
          value={props.value}
          onChange={(event) => props.onChange(event.target.value as Value)}
        >
          {props.options.map(({ value, title }) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

const BUCKETS: { value: Bucket; title: string }[] = [
  { value: "hour", title: "Hour" },
  { value: "day", title: "Day" },
  { value: "week", title: "Week" },
  { value: "month", title: "Month" },
  { value: "quarter", title: "Quarter" },
  { value: "year", title: "Year" },
]

export function BucketField(props: {
  label?: string
  value: Bucket
  only?: readonly Bucket[]
  onChange: (bucket: Bucket) => void
}) {
  const options = BUCKETS.filter(({ value }) => props.only?.includes(value) ?? true)
  return (
    <SelectField
      label={props.label ?? "By"}
      path="bucket"
      value={props.value}
      options={options}
      onChange={props.onChange}
    />
  )
}

interface Ranged {
  from?: string
  to?: string
  last?: string
}

const CUSTOM = "custom"

/** The range of a question, in days of the environment's zone. */
export function RangeField(props: { value: Ranged; onChange: (range: Ranged) => void }) {
  const zone = useZone()
  const { last = "" } = props.value
  const days = daysOf(props.value)
  const custom = last === ""
  const known = LASTS.some(({ value }) => value === last)
  return (
    <>
      <Field label="Range" path="last">
        {(field) => (
          <select
            {...field}
            className="field"
            value={custom ? CUSTOM : last}
            onChange={({ target }) =>
              props.onChange(
                target.value === CUSTOM
                  ? rangeOf(shifted(today(zone), -29), today(zone))
                  : { last: target.value, from: undefined, to: undefined },
              )
            }
          >
            {LASTS.map(({ value, title }) => (
              <option key={value} value={value}>
                {title}
              </option>
            ))}
            {!custom && !known && <option value={last}>Last {last}</option>}
            <option value={CUSTOM}>From … to …</option>
          </select>
        )}
      </Field>
      {custom && (
        <div className="q-pair">
          <Field label="First day" path="from">
            {(field) => (
              <input
                {...field}
                className="field"
                type="date"
                value={days.first}
                max={days.last || undefined}
                onChange={(event) => event.target.value && props.onChange(rangeOf(event.target.value, days.last))}
              />
            )}
          </Field>
          <Field label="Last day" path="to">
            {(field) => (
              <input
                {...field}
                className="field"
                type="date"
                value={days.last}
                min={days.first || undefined}
                onChange={(event) => props.onChange(rangeOf(days.first, event.target.value))}
              />
            )}
          </Field>
        </div>
      )}
      <p className="mute small">Days in {zone}</p>
    </>
  )
}

/** What questions of all kinds may say of whom they ask. */
interface OfPeople {
  people?: string
  sample?: number
  approximate?: boolean
}

const SHARES = [
  { value: "1", title: "Everyone" },
  { value: "0.1", title: "A tenth of them" },
  { value: "0.01", title: "A hundredth of them" },
  { value: "0.001", title: "A thousandth of them" },
] as const

/** Of whom: those of a condition, and a share of them. `approximate` is offered where it changes anything. */
export function PeopleField(props: { value: OfPeople; approximate?: boolean; onChange: (next: OfPeople) => void }) {
  const { value, onChange } = props
  const sample = String(value.sample ?? 1)
  const known = SHARES.some((one) => one.value === sample)
  return (
    <>
      <ConditionField
        label="Only people for whom now"
        path="people"
        value={value.people ?? ""}
        onChange={(people) => onChange({ people })}
      />
      <SelectField
        label="Ask"
        path="sample"
        value={sample}
        options={known ? SHARES : [...SHARES, { value: sample, title: `A share of ${sample}` }]}
        onChange={(next) => onChange({ sample: next === "1" ? undefined : Number(next) })}
      />
      {props.approximate && (
        <Tick
          label="Fast estimates of people and percentiles"
          checked={value.approximate ?? false}
          onChange={(on) => onChange({ approximate: on || undefined })}
        />
      )}
    </>
  )
}

/** An event of one's own, or a saved metric. */
export function MetricField(props: {
  label: string
  path: string
  saved: { key: string; name: string }[]
  /** The key of a saved metric; empty for an event. */
  value: string
  onChange: (metric: string) => void
}) {
  const options = [
    { value: "", title: "An event" },
    ...props.saved.map(({ key, name }) => ({ value: key, title: name || key })),
  ]
  const unknown = options.every(({ value }) => value !== props.value)
  return (
    <SelectField
      {...props}
      quiet
      options={unknown ? [...options, { value: props.value, title: props.value }] : options}
    />
  )
}

/** What a chart calls a part of the question, once a name of its own is wanted. */
export function NameField(props: { of: string; path: string; value: string; onChange: (name?: string) => void }) {
  const [open, setOpen] = useState(false)
  if (!open && !props.value) {
    return (
      <button type="button" className="link small" aria-label={`Name ${props.of}`} onClick={() => setOpen(true)}>
        + Name
      </button>
    )
  }
  return (
    <TextField
      label={`Name of ${props.of}`}
      path={props.path}
      quiet
      placeholder="name"
      value={props.value}
      onChange={(name) => props.onChange(name || undefined)}
    />
  )
}

export const COMPARE = [
  { value: "", title: "Nothing" },
  { value: "previous", title: "The period before" },
  { value: "week", title: "A week earlier" },
  { value: "year", title: "A year earlier" },
] as const
