/** What a flag sets by itself, and when, as it is edited. */
import { Trash2 } from "lucide-react"
import type { FlagBody, StepBody } from "../../lib/api.ts"
import { entriesOf, namesOf, written } from "../../lib/json.ts"
import { useZone } from "../../lib/me.ts"
import { instantOf, localTime } from "../../lib/zone.ts"
import { Name, type Option, Percent, Select, Typed } from "../../ui/inputs.tsx"
import { Panel } from "../../ui/parts.tsx"
import { dropped, put, removed, renamed, replaced, typedValue, withField } from "./document.ts"
import type { PartProps } from "./parts.tsx"
import { Wrong } from "./problems.tsx"

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const OTHER = "other"
/** A place that no list names, until it is written. */
const UNNAMED = "/"

export function ScheduleForm({ of, onChange }: PartProps) {
  const zone = useZone()
  const { schedule = [] } = of
  const keep = (steps: StepBody[]) => onChange(withField(of, "schedule", steps.length ? steps : undefined))

  function add(): void {
    const at = new Date(Math.ceil((Date.now() + DAY_MS) / HOUR_MS) * HOUR_MS).toISOString()
    const partly = of.rules?.find(({ rollout }) => rollout !== undefined && rollout < 100)
    keep([...schedule, { at, set: partly?.id ? { [`/rules/${partly.id}/rollout`]: 100 } : { "/enabled": false } }])
  }

  return (
    <Panel title="Schedule" aside={<span className="mute">{zone}</span>}>
      <ol className="rows-form" aria-label="Steps">
        {schedule.map((step, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: two steps may have one instant while they are written
          <li key={index} className="step-form">
            <div className="rule-line">
              <input
                type="datetime-local"
                className="field"
                aria-label={`Instant of step ${index + 1}`}
                value={Number.isNaN(Date.parse(step.at)) ? "" : localTime(step.at, zone)}
                onChange={(event) =>
                  event.target.value &&
                  keep(replaced(schedule, index, { ...step, at: instantOf(event.target.value, zone) }))
                }
              />
              <button
                type="button"
                className="icon-button apart"
                aria-label={`Remove step ${index + 1}`}
                onClick={() => keep(removed(schedule, index))}
              >
                <Trash2 aria-hidden="true" />
              </button>
            </div>
            <Sets
              of={of}
              step={step}
              name={`step ${index + 1}`}
              onChange={(next) => keep(replaced(schedule, index, next))}
            />
            <Wrong at={`$.schedule[${index}]`} />
          </li>
        ))}
      </ol>
      <Wrong at="$.schedule" but={schedule.map((_, index) => `$.schedule[${index}]`)} />
      <button type="button" className="button small" onClick={add}>
        Add a step
      </button>
    </Panel>
  )
}

/** What a step usually sets. */
function placesOf(of: FlagBody): Option[] {
  const shares = (of.rules ?? []).flatMap(({ id }, index) => {
    const name = id || String(index)
    return [
      { value: `/rules/${name}/rollout`, title: `rollout of ${name}` },
      { value: `/rules/${name}/exposure`, title: `exposure of ${name}` },
    ]
  })
  return [
    { value: "/enabled", title: "the flag" },
    { value: "/default/serve", title: "the default variant" },
    ...shares,
  ]
}

interface SetsProps {
  of: FlagBody
  step: StepBody
  name: string
  onChange: (step: StepBody) => void
}

function Sets({ of, step, name, onChange }: SetsProps) {
  const places = placesOf(of)
  const set = (values: Record<string, unknown>) => onChange({ ...step, set: values })
  const free = places.find(({ value }) => !(value in step.set))
  return (
    <ul>
      {entriesOf(step.set).map(([place, given], row) => {
        const known = places.some(({ value }) => value === place)
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: the place of a row may be written anew
          <li key={row} className="rule-line">
            <Select
              label={`What ${name} sets`}
              value={known ? place : OTHER}
              options={[...places, { value: OTHER, title: "another place" }]}
              onChange={(next) => {
                const to = next === OTHER ? UNNAMED : next
                if (!(to in step.set)) set(put(renamed(step.set, place, to), to, firstOf(of, to, given)))
              }}
            />
            {!known && (
              <Name
                label={`JSON pointer of ${name}`}
                className="short"
                value={place}
                placeholder="/metadata/team"
                accepts={(text) => text.startsWith("/") && !(text in step.set)}
                onChange={(text) => set(renamed(step.set, place, text))}
              />
            )}
            <span className="mute">becomes</span>
            <Given of={of} place={place} value={given} onChange={(value) => set(put(step.set, place, value))} />
            {namesOf(step.set).length > 1 && (
              <button
                type="button"
                className="icon-button"
                aria-label={`Leave ${place} as it is in ${name}`}
                onClick={() => set(dropped(step.set, place))}
              >
                <Trash2 aria-hidden="true" />
              </button>
            )}
          </li>
        )
      })}
      {free && (
        <li>
          <button
            type="button"
            className="link"
            onClick={() => set(put(step.set, free.value, firstOf(of, free.value, undefined)))}
          >
            and also…
          </button>
        </li>
      )}
    </ul>
  )
}

function isShare(place: string): boolean {
  return /^\/rules\/[^/]+\/(rollout|exposure)$/.test(place)
}

/** What a place may become, where it had another kind of value. */
function firstOf(of: FlagBody, place: string, given: unknown): unknown {
  if (place === "/enabled") return typeof given === "boolean" ? given : false
  if (place === "/default/serve") return namesOf(of.variants ?? {})[0] ?? ""
  if (isShare(place)) return typeof given === "number" ? given : 100
  return given ?? ""
}

function Given(props: { of: FlagBody; place: string; value: unknown; onChange: (value: unknown) => void }) {
  const { of, place, value, onChange } = props
  const label = `What ${place} becomes`
  if (place === "/enabled" && typeof value === "boolean")
    return (
      <Select
        label={label}
        value={value ? "on" : "off"}
        options={["on", "off"]}
        onChange={(text) => onChange(text === "on")}
      />
    )
  if (place === "/default/serve" && typeof value === "string")
    return <Select label={label} value={value} options={namesOf(of.variants ?? {})} onChange={onChange} />
  if (isShare(place) && typeof value === "number")
    return <Percent label={label} value={value} onChange={onChange} slider={false} />
  return (
    <Typed
      label={label}
      className="mono"
      value={written(value ?? null)}
      accepts={(text) => typedValue("json", text) !== undefined}
      onChange={(text) => onChange(typedValue("json", text))}
    />
  )
}
