/** The rules of a flag as they are edited: in order, each with its condition, what it serves, and whom it admits. */
import { ArrowDown, ArrowUp, GripVertical, Trash2 } from "lucide-react"
import { type KeyboardEvent, useLayoutEffect, useRef, useState } from "react"
import { ExpressionEditor } from "../../editor/text/expression.tsx"
import type { FlagBody, RuleBody } from "../../lib/api.ts"
import { exactCount } from "../../lib/format.ts"
import { entriesOf, namesOf } from "../../lib/json.ts"
import { Choice } from "../../ui/fields.tsx"
import { Name, Percent, Select, Typed } from "../../ui/inputs.tsx"
import { Panel } from "../../ui/parts.tsx"
import { type Split, WHOLE, weighted } from "../split.ts"
import { SplitBar } from "../split_bar.tsx"
import { type Audience, isCountable, useAudiences } from "./audience.ts"
import { freeId, moved, removed, replaced, serving, splitting, toggled, withField } from "./document.ts"
import { Wrong } from "./problems.tsx"

interface RulesFormProps {
  flag: string
  of: FlagBody
  /** Whether its people can be counted. */
  valid: boolean
  onChange: (rules: RuleBody[]) => void
}

export function RulesForm({ flag, of, valid, onChange }: RulesFormProps) {
  const rules = of.rules ?? []
  const audiences = useAudiences(rules, valid)
  const cards = useCards(rules.length)
  const [told, setTold] = useState("")
  const [dragged, setDragged] = useState<number | null>(null)
  const focused = useRef<Element | null>(null)
  const list = useRef<HTMLOListElement>(null)

  // A card that moves in the page loses the keyboard: what had it gets it back.
  useLayoutEffect(() => {
    const element = focused.current
    if (!(element instanceof HTMLElement) || document.activeElement === element) return
    focused.current = null
    element.focus()
    if (document.activeElement !== element) element.closest("li")?.querySelector<HTMLElement>(".handle")?.focus()
  })

  function move(from: number, to: number): void {
    if (to < 0 || to >= rules.length || from === to) return
    focused.current = list.current?.contains(document.activeElement) ? document.activeElement : null
    cards.change((keys) => moved(keys, from, to))
    onChange(moved(rules, from, to))
    setTold(`${nameOf(rules[from], from)} is now rule ${to + 1} of ${rules.length}`)
  }

  return (
    <Panel title="Rules" aside={<span className="mute">the first that applies decides</span>}>
      <ol className="rule-cards" ref={list}>
        {rules.map((rule, index) => (
          <RuleCard
            key={cards.keys[index]}
            flag={flag}
            rule={rule}
            index={index}
            of={of}
            last={index === rules.length - 1}
            audience={audiences[index]}
            dragged={dragged}
            onChange={(next) => onChange(replaced(rules, index, next))}
            onRemove={() => {
              cards.change((keys) => removed(keys, index))
              onChange(removed(rules, index))
            }}
            onMove={(to) => move(index, to)}
            onDrag={setDragged}
            onDrop={() => {
              if (dragged !== null) move(dragged, index)
              setDragged(null)
            }}
          />
        ))}
      </ol>
      <Wrong at="$.rules" but={rules.map((_, index) => `$.rules[${index}]`)} />
      <p className="hidden" role="status">
        {told}
      </p>
      <button
        type="button"
        className="button"
        onClick={() => {
          const [first = ""] = namesOf(of.variants ?? {})
          onChange([...rules, { id: freeId(rules), when: "", serve: first }])
        }}
      >
        Add a rule
      </button>
      <p className="rule-otherwise mute">
        If no rule applies, everyone gets <code>{of.default?.serve}</code>.
      </p>
    </Panel>
  )
}

/** A name for each card that stays when it moves, or gets another id: so its fields keep what is typed. */
function useCards(length: number) {
  const [keys, setKeys] = useState<number[]>([])
  const next = useRef(0)
  const same = keys.length === length
  const shown = same
    ? keys
    : Array.from({ length }, (_, index) => {
        if (keys[index] !== undefined) return keys[index]
        next.current += 1
        return next.current
      })
  if (!same) setKeys(shown)
  return { keys: shown, change: (by: (keys: number[]) => number[]) => setKeys(by(shown)) }
}

function nameOf(rule: RuleBody | undefined, index: number): string {
  return rule?.id || `rule ${index + 1}`
}

interface RuleCardProps {
  flag: string
  rule: RuleBody
  index: number
  of: FlagBody
  last: boolean
  audience: Audience | undefined
  /** The rule that is dragged now. */
  dragged: number | null
  onChange: (rule: RuleBody) => void
  onRemove: () => void
  onMove: (to: number) => void
  onDrag: (index: number | null) => void
  onDrop: () => void
}

function RuleCard(props: RuleCardProps) {
  const { rule, index, of, dragged, onChange, onMove } = props
  const [over, setOver] = useState(false)
  const name = nameOf(rule, index)
  const variants = namesOf(of.variants ?? {})
  const others = (of.rules ?? []).filter((other) => other !== rule).map(({ id }) => id)

  function onKey(event: KeyboardEvent): void {
    if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented) return
    if (event.target instanceof HTMLElement && event.target.closest(".cm-editor")) return // there it moves a line
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key]
    if (step === undefined) return
    event.preventDefault()
    onMove(index + step)
  }

  return (
    <li
      className="rule-card"
      data-dragged={dragged === index || undefined}
      data-over={over && dragged !== null && dragged !== index ? (dragged < index ? "below" : "above") : undefined}
      aria-label={`Rule ${name}`}
      onKeyDown={onKey}
      onDragOver={(event) => {
        if (dragged === null) return
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        if (dragged === null) return
        event.preventDefault()
        setOver(false)
        props.onDrop()
      }}
    >
      <header>
        <button
          type="button"
          className="icon-button handle"
          draggable
          aria-label={`Move ${name}`}
          title="Drag it, or press ⌥↑ and ⌥↓"
          onDragStart={(event) => {
            event.dataTransfer.setData("text/plain", name)
            event.dataTransfer.effectAllowed = "move"
            const card = event.currentTarget.closest("li")
            if (card) event.dataTransfer.setDragImage(card, 16, 16)
            props.onDrag(index)
          }}
          onDragEnd={() => props.onDrag(null)}
        >
          <GripVertical aria-hidden="true" />
        </button>
        <span className="mute rule-number">{index + 1}</span>
        <Name
          label={`Id of rule ${index + 1}`}
          value={rule.id ?? ""}
          accepts={(text) => text !== "" && !others.includes(text)}
          onChange={(id) => onChange({ ...rule, id })}
        />
        <span className="apart">
          <button
            type="button"
            className="icon-button"
            aria-label={`Move ${name} up`}
            disabled={index === 0}
            onClick={() => onMove(index - 1)}
          >
            <ArrowUp aria-hidden="true" />
          </button>
          <button
            type="button"
            className="icon-button"
            aria-label={`Move ${name} down`}
            disabled={props.last}
            onClick={() => onMove(index + 1)}
          >
            <ArrowDown aria-hidden="true" />
          </button>
          <button type="button" className="icon-button" aria-label={`Remove ${name}`} onClick={props.onRemove}>
            <Trash2 aria-hidden="true" />
          </button>
        </span>
      </header>
      <ExpressionEditor
        kind="flag"
        name={props.flag || undefined}
        value={rule.when}
        onChange={(when) => onChange({ ...rule, when })}
        label={`Condition of ${name}`}
        hint="segments.regulars"
        words
      />
      <Serve rule={rule} name={name} variants={variants} onChange={onChange} />
      <div className="rule-line">
        <span className="rule-term">Rollout</span>
        <Percent
          label={`Rollout of ${name}`}
          value={rule.rollout ?? 100}
          onChange={(share) => onChange(withField(rule, "rollout", share === 100 ? undefined : share))}
        />
        <Reach rule={rule} audience={props.audience} />
      </div>
      <Experiment rule={rule} name={name} onChange={onChange} />
      <Wrong at={`$.rules[${index}]`} />
    </li>
  )
}

/** How many people a rule admits, as far as the server can count them. */
function Reach({ rule, audience }: { rule: RuleBody; audience: Audience | undefined }) {
  if (!audience) {
    if (rule.when.trim() === "" || isCountable(rule)) return null
    return <span className="mute small">It reads the request, so its people are not counted.</span>
  }
  const share = ((rule.rollout ?? 100) * (rule.exposure ?? 100)) / 10_000
  const reached = Math.round(audience.people * share)
  return (
    <span className="mute small reach">
      {share < 1 || audience.estimated ? "≈ " : ""}
      {exactCount(reached)} of {exactCount(audience.people)} {audience.people === 1 ? "person" : "people"}
    </span>
  )
}

interface PartProps {
  rule: RuleBody
  name: string
  onChange: (rule: RuleBody) => void
}

const SERVES = [
  { value: "one", title: "One variant" },
  { value: "split", title: "Split" },
] as const

function Serve({ rule, name, variants, onChange }: PartProps & { variants: string[] }) {
  const [first = ""] = variants
  return (
    <div className="rule-serve">
      <div className="rule-line">
        <span className="rule-term">Serves</span>
        <Choice
          label={`What ${name} serves`}
          options={SERVES}
          value={rule.split ? "split" : "one"}
          onChange={(kind) => {
            const heaviest = entriesOf(rule.split ?? {}).sort((a, b) => b[1] - a[1])[0]?.[0]
            if (kind === "one" && rule.split) onChange(serving(rule, heaviest ?? first))
            if (kind === "split" && !rule.split) onChange(splitting(rule, variants))
          }}
        />
        {!rule.split && (
          <Select
            label={`Variant of ${name}`}
            value={rule.serve ?? ""}
            options={variants}
            onChange={(serve) => onChange(serving(rule, serve))}
          />
        )}
      </div>
      {rule.split && (
        <SplitForm
          split={rule.split}
          name={name}
          variants={variants}
          onChange={(split) => onChange({ ...rule, split })}
        />
      )}
    </div>
  )
}

/** Shares that always sum to 100 %: what one gets, the others give, in their proportion. */
function SplitForm(props: { split: Split; name: string; variants: string[]; onChange: (split: Split) => void }) {
  const { split, name, onChange } = props
  const chosen = namesOf(split)
  const all = [...chosen, ...props.variants.filter((variant) => !chosen.includes(variant))]
  return (
    <>
      <SplitBar split={split} />
      <ul className="shares">
        {all.map((variant) => (
          <li key={variant}>
            <label className="tick">
              <input
                type="checkbox"
                checked={chosen.includes(variant)}
                disabled={chosen.includes(variant) && chosen.length === 1}
                onChange={() => onChange(toggled(split, variant))}
              />
              <code>{variant}</code>
            </label>
            {chosen.includes(variant) && (
              <Percent
                label={`Share of ${variant} in ${name}`}
                value={(100 * (split[variant] ?? 0)) / WHOLE}
                onChange={(share) => onChange(weighted(split, variant, (share * WHOLE) / 100))}
              />
            )}
          </li>
        ))}
      </ul>
    </>
  )
}

/** What concerns experiments only: exposure and an exclusion group. */
function Experiment({ rule, name, onChange }: PartProps) {
  const { exclusion } = rule
  return (
    <details className="experiment" open={rule.exposure !== undefined || Boolean(exclusion) || undefined}>
      <summary className="mute">Experiment: exposure, exclusion group</summary>
      <div className="rule-line">
        <span className="rule-term">Exposure</span>
        <Percent
          label={`Exposure of ${name}`}
          value={rule.exposure ?? 100}
          onChange={(share) => onChange(withField(rule, "exposure", share === 100 ? undefined : share))}
        />
        <span className="mute small">of those the rule admits take part; others go to the next rule</span>
      </div>
      <div className="rule-line">
        <span className="rule-term">Exclusion</span>
        <Typed
          label={`Exclusion group of ${name}`}
          className="mono short"
          placeholder="group"
          value={exclusion?.group ?? ""}
          onChange={(group) =>
            onChange(withField(rule, "exclusion", group ? { from: 0, to: 100, ...exclusion, group } : undefined))
          }
        />
        {exclusion && (
          <>
            <Percent
              label={`Start of the share of ${name}`}
              slider={false}
              value={exclusion.from}
              onChange={(from) => onChange({ ...rule, exclusion: { ...exclusion, from } })}
            />
            <span className="mute">to</span>
            <Percent
              label={`End of the share of ${name}`}
              slider={false}
              value={exclusion.to}
              onChange={(to) => onChange({ ...rule, exclusion: { ...exclusion, to } })}
            />
          </>
        )}
      </div>
    </details>
  )
}
