/** The question of a funnel, built of its parts. */
import { X } from "lucide-react"
import { Tick } from "../../ui/fields.tsx"
import { BreakdownsField, breakdownsOf } from "../builder/breakdowns.tsx"
import {
  BucketField,
  ConditionField,
  EventField,
  PeopleField,
  PropertyField,
  RangeField,
  SelectField,
  TextField,
} from "../builder/fields.tsx"
import type { Bucket } from "../query/question.ts"
import { nameOfEvent } from "../query/question.ts"
import type { Funnel } from "./shape.ts"
import { StepsField } from "./steps.tsx"

interface Edited {
  question: Funnel
  ask: (next: Funnel) => void
}

const ORDERS = [
  { value: "ordered", title: "In this order, others between" },
  { value: "strict", title: "In this order, nothing between" },
  { value: "any", title: "In any order" },
] as const

const TREND = ["day", "week", "month"] as const

export function FunnelBuilder(props: Edited & { before: boolean; compare: (before: boolean) => void }) {
  const { question, ask } = props
  const events = question.steps.map(({ event }) => event)
  const divided = breakdownsOf(question.breakdown).length > 0
  return (
    <>
      <StepsField question={question} ask={ask} />
      <SelectField
        label="Order"
        path="order"
        value={question.order ?? "ordered"}
        options={ORDERS}
        onChange={(order) => ask({ ...question, order })}
      />
      <TextField
        label="All within"
        path="within"
        value={question.within ?? "7d"}
        placeholder="7d"
        onChange={(within) => ask({ ...question, within: within || undefined })}
      />
      <RangeField value={question} onChange={(range) => ask({ ...question, ...range })} />
      <BreakdownsField
        events={events}
        value={question.breakdown}
        top={question.top ?? 10}
        onChange={(next, top) => ask({ ...question, breakdown: next, top })}
      />
      {divided && (
        <SelectField
          label="Whose value counts"
          path="attribution"
          value={question.attribution ?? "first"}
          options={[
            { value: "first", title: "The first known one" },
            { value: "last", title: "The last known one" },
            ...question.steps.map((step, at) => ({
              value: `step:${at + 1}`,
              title: `That of step ${at + 1} ${nameOfEvent(step.event)}`,
            })),
          ]}
          onChange={(attribution) => ask({ ...question, attribution })}
        />
      )}
      <Exclusions question={question} ask={ask} />
      <Held question={question} ask={ask} />
      <PeopleField value={question} onChange={(whom) => ask({ ...question, ...whom })} />
      <ByBucket question={question} ask={ask} />
      <Tick label="Compare with the time before" checked={props.before} onChange={props.compare} />
    </>
  )
}

/** The conversion over time is one more part of the answer. */
function ByBucket({ question, ask }: Edited) {
  const bucket = question.bucket || undefined
  return (
    <>
      <Tick
        label="Conversion over time"
        checked={bucket !== undefined}
        onChange={(on) => ask({ ...question, bucket: on ? "week" : undefined })}
      />
      {bucket && (
        <BucketField
          label="By the time of entry"
          value={bucket}
          only={TREND as readonly Bucket[]}
          onChange={(next) => ask({ ...question, bucket: next })}
        />
      )}
    </>
  )
}

function Exclusions({ question, ask }: Edited) {
  const exclude = question.exclude ?? []
  function change(at: number, part: Partial<(typeof exclude)[number]>): void {
    ask({ ...question, exclude: exclude.map((one, other) => (other === at ? { ...one, ...part } : one)) })
  }
  const places = [
    { value: "", title: "between any steps" },
    ...question.steps.slice(0, -1).map((_, at) => ({ value: String(at + 1), title: `after step ${at + 1}` })),
  ]
  return (
    <fieldset className="q-part">
      <legend>Excluded by</legend>
      {exclude.map((one, at) => {
        const after = (one.after ?? []).join(",")
        const known = places.some(({ value }) => value === after)
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: an exclusion is its place
          <div className="part" key={at}>
            <div className="part-head">
              <EventField
                label={`Event of exclusion ${at + 1}`}
                path={`exclude[${at}].event`}
                quiet
                value={one.event}
                onChange={(event) => change(at, { event })}
              />
              <button
                type="button"
                className="icon-button"
                aria-label={`Remove exclusion ${at + 1}`}
                title="Remove"
                onClick={() => ask({ ...question, exclude: exclude.filter((_, other) => other !== at) })}
              >
                <X aria-hidden="true" />
              </button>
            </div>
            <ConditionField
              label={`Filter of exclusion ${at + 1}`}
              path={`exclude[${at}].where`}
              quiet
              placeholder="only if: amount >= 50"
              event={one.event}
              value={one.where ?? ""}
              onChange={(where) => change(at, { where })}
            />
            {question.order !== "any" && question.steps.length > 2 && (
              <SelectField
                label={`Where exclusion ${at + 1} counts`}
                path={`exclude[${at}].after`}
                quiet
                value={after}
                options={known ? places : [...places, { value: after, title: `after steps ${after}` }]}
                onChange={(next) => change(at, { after: next ? next.split(",").map(Number) : undefined })}
              />
            )}
          </div>
        )
      })}
      <button
        type="button"
        className="link small"
        onClick={() => ask({ ...question, exclude: [...exclude, { event: "" }] })}
      >
        + Exclude an event
      </button>
    </fieldset>
  )
}

/** Properties that have one value along the way, such as an order's number. */
function Held({ question, ask }: Edited) {
  const hold = question.hold ?? []
  return (
    <fieldset className="q-part">
      <legend>Held constant</legend>
      {hold.map((property, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a held property is its place
        <div className="part-head" key={at}>
          <PropertyField
            label={`Held property ${at + 1}`}
            path={`hold[${at}]`}
            quiet
            event={{ any: question.steps.map(({ event }) => ({ event })) }}
            value={property}
            onChange={(next) => ask({ ...question, hold: hold.map((one, other) => (other === at ? next : one)) })}
          />
          <button
            type="button"
            className="icon-button"
            aria-label={`Hold ${property || `property ${at + 1}`} no more`}
            title="Remove"
            onClick={() => ask({ ...question, hold: hold.filter((_, other) => other !== at) })}
          >
            <X aria-hidden="true" />
          </button>
        </div>
      ))}
      <button type="button" className="link small" onClick={() => ask({ ...question, hold: [...hold, ""] })}>
        + Hold a property
      </button>
    </fieldset>
  )
}
