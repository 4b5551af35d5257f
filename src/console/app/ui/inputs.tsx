/** Fields whose text may stand for nothing yet while a person types: what they mean is told when it is something. */
import { useEffect, useState } from "react"

interface TypedProps {
  label: string
  value: string
  /** Whether the text stands for something. */
  accepts?: (text: string) => boolean
  onChange: (text: string) => void
  className?: string
  placeholder?: string
  lines?: number
}

/** Tells of each text that stands for something; another one stays in the field, marked as wrong. */
export function Typed({ label, value, accepts = () => true, onChange, className = "", lines, ...rest }: TypedProps) {
  const [text, setText] = useState(value)
  const [told, setTold] = useState(value)
  // What comes from elsewhere replaces what was typed; what was told here does not, so that `0.50` stays as it is typed.
  if (value !== told) {
    setTold(value)
    setText(value)
  }
  const change = (next: string): void => {
    setText(next)
    if (accepts(next)) onChange(next)
  }
  const shared = {
    "aria-label": label,
    "aria-invalid": !accepts(text) || undefined,
    className: `field ${className}`,
    value: text,
    spellCheck: false,
    ...rest,
  }
  if (lines) return <textarea rows={lines} {...shared} onChange={(event) => change(event.target.value)} />
  return <input autoComplete="off" {...shared} onChange={(event) => change(event.target.value)} />
}

/** A name: told when the field is left, since half a name names something else. */
export function Name(props: Omit<TypedProps, "lines">) {
  const { label, value, accepts = () => true, onChange, className = "", ...rest } = props
  const [text, setText] = useState(value)
  useEffect(() => setText(value), [value])
  const wrong = text !== value && !accepts(text)
  const leave = (): void => {
    if (text === value) return
    if (accepts(text)) onChange(text)
    else setText(value)
  }
  return (
    <input
      aria-label={label}
      aria-invalid={wrong || undefined}
      className={`field mono ${className}`}
      autoComplete="off"
      spellCheck={false}
      value={text}
      {...rest}
      onChange={(event) => setText(event.target.value.trim())}
      onBlur={leave}
      onKeyDown={(event) => {
        if (event.key !== "Enter") return
        event.preventDefault()
        leave()
      }}
    />
  )
}

/** A share in per cent, by a slider and as a number with up to three decimals. */
export function Percent(props: { label: string; value: number; onChange: (value: number) => void; slider?: boolean }) {
  const { label, value, onChange, slider = true } = props
  return (
    <span className="percent">
      {slider && (
        <input
          type="range"
          aria-label={`${label}, slider`}
          min={0}
          max={100}
          step={1}
          value={value}
          onChange={(event) => onChange(Number(event.target.value))}
        />
      )}
      <Typed
        label={label}
        className="number-field"
        value={String(value)}
        accepts={(text) => /^\d{1,3}(\.\d{1,3})?$/.test(text) && Number(text) <= 100}
        onChange={(text) => onChange(Number(text))}
      />
      <span className="mute">%</span>
    </span>
  )
}

export interface Option {
  value: string
  title: string
}

export function Select(props: {
  label: string
  value: string
  options: readonly (string | Option)[]
  onChange: (value: string) => void
}) {
  const options = props.options.map((one) => (typeof one === "string" ? { value: one, title: one } : one))
  const known = options.some(({ value }) => value === props.value)
  return (
    <select
      className="field"
      aria-label={props.label}
      aria-invalid={!known || undefined}
      value={props.value}
      onChange={(event) => props.onChange(event.target.value)}
    >
      {!known && <option value={props.value}>{props.value || "choose"}</option>}
      {options.map(({ value, title }) => (
        <option key={value} value={value}>
          {title}
        </option>
      ))}
    </select>
  )
}
