/** One of many, found by some letters. */
import { type KeyboardEvent, useId, useRef, useState } from "react"

export interface Option {
  value: string
  /** What it is called, if not by its value. */
  title?: string
  /** What helps to choose: a count, a description. */
  hint?: string
  group?: string
}

const MOST = 100

/**
 * A field that offers options by what is typed. What is typed may be taken as it is, if `own` says how that is called.
 */
export function Picker(props: {
  id?: string
  label?: string
  value: string
  options: Option[]
  placeholder?: string
  own?: (text: string) => string
  onChange: (value: string) => void
  "aria-invalid"?: boolean
  "aria-describedby"?: string
}) {
  const list = useId()
  const field = useRef<HTMLInputElement>(null)
  const [typed, setTyped] = useState<string>()
  const [at, setAt] = useState(0)
  const open = typed !== undefined
  const titleOf = (value: string) => props.options.find((one) => one.value === value)?.title ?? value
  const found = open ? offered(props.options, typed, props.own) : []
  const chosen = Math.min(at, found.length - 1)

  function choose(option: Option | undefined): void {
    setTyped(undefined)
    if (option && option.value !== props.value) props.onChange(option.value)
  }

  function start(): void {
    if (open) return
    setTyped("")
    setAt(
      Math.max(
        0,
        offered(props.options, "", props.own).findIndex(({ value }) => value === props.value),
      ),
    )
  }

  function onKey(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step !== undefined) {
      if (!open) start()
      else if (found.length) setAt((chosen + step + found.length) % found.length)
    } else if (event.key === "Enter" && open) choose(found[chosen])
    else if (event.key === "Escape" && open) setTyped(undefined)
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  return (
    <div className="picker">
      <input
        ref={field}
        id={props.id}
        className="field"
        type="text"
        role="combobox"
        autoComplete="off"
        spellCheck={false}
        aria-label={props.label}
        aria-expanded={open}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={open && found[chosen] ? `${list}-${chosen}` : undefined}
        aria-invalid={props["aria-invalid"]}
        aria-describedby={props["aria-describedby"]}
        placeholder={props.value ? titleOf(props.value) : props.placeholder}
        value={typed ?? titleOf(props.value)}
        onFocus={start}
        onClick={start}
        onBlur={() => setTyped(undefined)}
        onChange={(event) => {
          setTyped(event.target.value)
          setAt(0)
        }}
        onKeyDown={onKey}
      />
      <div className="picker-list" role="listbox" id={list} aria-label={props.label ?? "Found"} hidden={!open}>
        {found.map((option, index) => (
          <Choice
            key={option.value}
            id={`${list}-${index}`}
            option={option}
            heading={option.group !== found[index - 1]?.group ? option.group : undefined}
            chosen={index === chosen}
            onChoose={() => choose(option)}
            onPoint={() => setAt(index)}
          />
        ))}
        {open && found.length === 0 && <p className="mute">Nothing has this name.</p>}
      </div>
    </div>
  )
}

function Choice(props: {
  id: string
  option: Option
  heading?: string
  chosen: boolean
  onChoose: () => void
  onPoint: () => void
}) {
  const { option } = props
  return (
    <>
      {props.heading && (
        <div className="picker-group" role="presentation">
          {props.heading}
        </div>
      )}
      {/* biome-ignore lint/a11y/useFocusableInteractive: aria-activedescendant of the field says which is chosen */}
      <div
        id={props.id}
        role="option"
        aria-selected={props.chosen}
        ref={(element) => {
          if (props.chosen) element?.scrollIntoView({ block: "nearest" })
        }}
        // The field keeps the focus, and with it the list.
        onPointerDown={(event) => {
          event.preventDefault()
          props.onChoose()
        }}
        onPointerMove={props.onPoint}
      >
        <span>{option.title ?? option.value}</span>
        {option.hint && <small>{option.hint}</small>}
      </div>
    </>
  )
}

/** Options with all words of the text, those that begin with it first; the text itself where it may be taken. */
export function offered(options: Option[], text: string, own?: (text: string) => string): Option[] {
  const wanted = text.trim().toLowerCase()
  const words = wanted.split(/\s+/)
  const looked = ({ value, title = value, hint = "" }: Option) => `${title} ${hint}`.toLowerCase()
  const fitting = options.filter((option) => words.every((word) => looked(option).includes(word)))
  const begins = ({ value, title = value }: Option) => title.toLowerCase().startsWith(wanted)
  // Of one group only: the others would be torn apart.
  const sorted = options.some(({ group }) => group)
    ? fitting
    : [...fitting.filter(begins), ...fitting.filter((option) => !begins(option))]
  const known = options.some(({ value, title }) => value === text.trim() || title === text.trim())
  const taken = own && wanted && !known ? [{ value: text.trim(), title: own(text.trim()) }] : []
  return [...sorted.slice(0, MOST), ...taken]
}
