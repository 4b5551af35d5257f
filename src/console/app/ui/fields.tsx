/** Fields of forms, with their names, hints and problems. */
import { type ReactNode, useId } from "react"

interface Names {
  id: string
  "aria-describedby": string | undefined
  "aria-invalid": boolean | undefined
}

/**
 * A field under its name, and what is to know or wrong about it below.
 *
 * `children` gets what connects the field with both: `{(names) => <input className="field" {...names} />}`.
 */
export function Labelled(props: {
  label: ReactNode
  hint?: ReactNode
  problem?: string
  children: (names: Names) => ReactNode
}) {
  const id = useId()
  const below = props.problem || props.hint
  return (
    <div className="labelled">
      <label htmlFor={id}>{props.label}</label>
      {props.children({
        id,
        "aria-describedby": below ? `${id}-below` : undefined,
        "aria-invalid": props.problem ? true : undefined,
      })}
      {below && (
        <p id={`${id}-below`} className={props.problem ? "problem" : "mute"} role={props.problem ? "alert" : undefined}>
          {below}
        </p>
      )}
    </div>
  )
}

/** A box to tick, with what it means beside it. */
export function Tick(props: {
  label: ReactNode
  hint?: ReactNode
  checked: boolean
  disabled?: boolean
  onChange: (checked: boolean) => void
}) {
  const id = useId()
  return (
    <div className="tick">
      <input
        id={id}
        type="checkbox"
        checked={props.checked}
        disabled={props.disabled}
        aria-describedby={props.hint ? `${id}-hint` : undefined}
        onChange={(event) => props.onChange(event.target.checked)}
      />
      <div>
        <label htmlFor={id}>{props.label}</label>
        {props.hint && <small id={`${id}-hint`}>{props.hint}</small>}
      </div>
    </div>
  )
}

/** One of a few choices, all of which are seen: the pressed one is chosen. */
export function Choice<Name extends string>(props: {
  label: string
  options: readonly { value: Name; title: ReactNode }[]
  value: Name
  onChange: (value: Name) => void
}) {
  return (
    <fieldset className="choice">
      <legend className="hidden">{props.label}</legend>
      {props.options.map(({ value, title }) => (
        <button key={value} type="button" aria-pressed={value === props.value} onClick={() => props.onChange(value)}>
          {title}
        </button>
      ))}
    </fieldset>
  )
}
