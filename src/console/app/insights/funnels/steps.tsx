/** The steps of a funnel, each with its filter and window; they are put in order by dragging, or by ⌥↑ and ⌥↓. */
import { ArrowDown, ArrowUp, GripVertical, Plus, X } from "lucide-react"
import { type DragEvent, type KeyboardEvent, useEffect, useRef, useState } from "react"
import { ConditionField, EventField, NameField, TextField } from "../builder/fields.tsx"
import { nameOfEvent } from "../query/question.ts"
import { type Funnel, withMoved, without } from "./shape.ts"

export const MOST_STEPS = 20

interface Edited {
  question: Funnel
  ask: (next: Funnel) => void
}

export function StepsField({ question, ask }: Edited) {
  const { steps } = question
  const list = useRef<HTMLOListElement>(null)
  const [dragged, setDragged] = useState<number>()
  const [over, setOver] = useState<number>()
  // A moved step keeps the focus at its handle, which is drawn anew at the other place.
  const [focus, setFocus] = useState<number>()
  const [heard, setHeard] = useState("")

  useEffect(() => {
    if (focus === undefined) return
    list.current?.querySelectorAll<HTMLElement>("[data-handle]")[focus]?.focus()
    setFocus(undefined)
  }, [focus])

  function move(from: number, to: number): void {
    if (to < 0 || to >= steps.length || from === to) return
    ask(withMoved(question, from, to))
    setFocus(to)
    setHeard(`${nameOfEvent(steps[from]?.event) || "The step"} is now step ${to + 1} of ${steps.length}`)
  }

  function change(at: number, part: Partial<Funnel["steps"][number]>): void {
    ask({ ...question, steps: steps.map((step, other) => (other === at ? { ...step, ...part } : step)) })
  }

  function onKey(event: KeyboardEvent, at: number): void {
    if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return
    event.preventDefault()
    event.stopPropagation()
    move(at, event.key === "ArrowUp" ? at - 1 : at + 1)
  }

  function onDrop(event: DragEvent, at: number): void {
    event.preventDefault()
    if (dragged !== undefined) move(dragged, at)
    setDragged(undefined)
    setOver(undefined)
  }

  return (
    <fieldset className="q-steps">
      <legend>Steps</legend>
      <ol ref={list}>
        {steps.map((step, at) => (
          <li
            // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place
            key={at}
            className="step"
            data-dragged={dragged === at || undefined}
            data-over={over === at && dragged !== at ? ((dragged ?? 0) < at ? "after" : "before") : undefined}
            onKeyDownCapture={(event) => onKey(event, at)}
            onDragOver={(event) => {
              if (dragged === undefined) return
              event.preventDefault()
              setOver(at)
            }}
            onDrop={(event) => onDrop(event, at)}
          >
            <header>
              <button
                type="button"
                className="icon-button handle"
                data-handle=""
                draggable
                aria-label={`Step ${at + 1}. Move it with Alt and the arrow keys`}
                title="Drag, or ⌥↑ and ⌥↓"
                onDragStart={(event) => {
                  event.dataTransfer.effectAllowed = "move"
                  event.dataTransfer.setData("text/plain", String(at))
                  setDragged(at)
                }}
                onDragEnd={() => {
                  setDragged(undefined)
                  setOver(undefined)
                }}
              >
                <GripVertical aria-hidden="true" />
              </button>
              <span className="step-number">{at + 1}</span>
              <EventField
                label={`Event of step ${at + 1}`}
                path={`steps[${at}].event`}
                quiet
                value={step.event}
                onChange={(event) => change(at, { event })}
              />
              <Mover at={at} to={at - 1} of={steps.length} move={move} />
              <Mover at={at} to={at + 1} of={steps.length} move={move} />
              <button
                type="button"
                className="icon-button"
                aria-label={`Remove step ${at + 1}`}
                title="Remove"
                disabled={steps.length === 1}
                onClick={() => ask(without(question, at))}
              >
                <X aria-hidden="true" />
              </button>
            </header>
            <StepFields
              step={step}
              at={at}
              timed={at > 0 && question.order !== "any"}
              onChange={(part) => change(at, part)}
            />
          </li>
        ))}
      </ol>
      {steps.length < MOST_STEPS && (
        <button
          type="button"
          className="button small"
          onClick={() => ask({ ...question, steps: [...steps, { event: "" }] })}
        >
          <Plus aria-hidden="true" /> Step
        </button>
      )}
      <p className="hidden" aria-live="polite">
        {heard}
      </p>
    </fieldset>
  )
}

/** The filter and the window of a step, each once it is wanted. */
function StepFields(props: {
  step: Funnel["steps"][number]
  at: number
  timed: boolean
  onChange: (part: Partial<Funnel["steps"][number]>) => void
}) {
  const { step, at, timed, onChange } = props
  const [wanted, setWanted] = useState<{ where?: boolean; within?: boolean }>({})
  const [where, within] = [wanted.where || Boolean(step.where), timed && (wanted.within || Boolean(step.within))]
  const named = (
    <NameField
      of={`step ${at + 1}`}
      path={`steps[${at}].name`}
      value={step.name ?? ""}
      onChange={(name) => onChange({ name })}
    />
  )
  return (
    <div className="step-fields">
      {where && (
        <ConditionField
          label={`Filter of step ${at + 1}`}
          path={`steps[${at}].where`}
          quiet
          event={step.event}
          value={step.where ?? ""}
          onChange={(next) => onChange({ where: next })}
        />
      )}
      {within && (
        <TextField
          label={`Longest time from step ${at} to step ${at + 1}`}
          path={`steps[${at}].within`}
          quiet
          placeholder="2d after the step before, at most"
          value={step.within ?? ""}
          onChange={(next) => onChange({ within: next })}
        />
      )}
      {step.name && named}
      <p className="step-more">
        {!where && (
          <button type="button" className="link small" onClick={() => setWanted({ ...wanted, where: true })}>
            + Filter
          </button>
        )}
        {timed && !within && (
          <button type="button" className="link small" onClick={() => setWanted({ ...wanted, within: true })}>
            + Time limit
          </button>
        )}
        {!step.name && named}
      </p>
    </div>
  )
}

/** Where there is no pointer to drag with and no Alt key, as on a phone. */
function Mover(props: { at: number; to: number; of: number; move: (from: number, to: number) => void }) {
  const { at, to, of, move } = props
  const up = to < at
  const Icon = up ? ArrowUp : ArrowDown
  return (
    <button
      type="button"
      className="icon-button mover"
      aria-label={`Move step ${at + 1} ${up ? "up" : "down"}`}
      title={up ? "Earlier" : "Later"}
      disabled={to < 0 || to >= of}
      onClick={() => move(at, to)}
    >
      <Icon aria-hidden="true" />
    </button>
  )
}
