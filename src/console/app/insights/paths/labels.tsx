/** Labels of a path: names of events, or values of a property. */
import { Picker } from "../../ui/picker.tsx"
import { EventField, TextField } from "../builder/fields.tsx"
import { propertiesOf } from "../builder/options.ts"
import { useNames } from "../builder/registry.ts"
import { Field } from "../query/problems.tsx"
import { nameOfEvent } from "../query/question.ts"

/** One label: of the registry while labels are names of events, else as it is typed. */
export function LabelField(props: {
  label: string
  path: string
  /** The property that labels are values of; empty for names. */
  by: string
  value: string
  onChange: (label: string) => void
}) {
  const { label, path, by, value, onChange } = props
  if (by)
    return (
      <TextField label={label} path={path} mono placeholder={`a value of ${by}`} value={value} onChange={onChange} />
    )
  return (
    <EventField
      label={label}
      path={path}
      any={false}
      value={value}
      onChange={(event) => onChange(nameOfEvent(event))}
    />
  )
}

/** What labels are: names of events, or a property of all of them. */
export function LabelledByField({ value, onChange }: { value: string; onChange: (property: string) => void }) {
  const names = useNames()
  const properties = propertiesOf(names, "*").map((property) => ({ value: property, hint: "a property" }))
  return (
    <Field label="Called by" path="label">
      {(field) => (
        <Picker
          {...field}
          value={value}
          options={[{ value: "", title: "The event's name" }, ...properties]}
          own={(name) => `Property “${name}”`}
          onChange={onChange}
        />
      )}
    </Field>
  )
}
