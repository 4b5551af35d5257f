/** The question of a retention, built of its parts. */
import { X } from "lucide-react"
import { Tick } from "../../ui/fields.tsx"
import { BreakdownsField } from "../builder/breakdowns.tsx"
import {
  BucketField,
  ConditionField,
  EventField,
  NumberField,
  PeopleField,
  RangeField,
  SelectField,
} from "../builder/fields.tsx"
import { Field } from "../query/problems.tsx"
import type { Question } from "../query/question.ts"
import type { Bucket } from "./shape.ts"

export type Retention = Question<"retention">

interface Edited {
  question: Retention
  ask: (next: Retention) => void
}

const COHORTS = [
  { value: "first_time", title: "Who did it for the first time ever" },
  { value: "recurring", title: "Everyone who did it" },
] as const

const WINDOWS = [
  { value: "calendar", title: "By the calendar" },
  { value: "elapsed", title: "Elapsed since the start" },
] as const

const MODES = [
  { value: "on", title: "In that period" },
  { value: "on_or_after", title: "In that period or later" },
] as const

const BUCKETS = ["day", "week", "month"] as const
/** A first suggestion: the day after, the rest of the week, the rest of the month. */
const BRACKETS: [number, number][] = [
  [1, 1],
  [2, 7],
  [8, 30],
]

export function RetentionBuilder({ question, ask }: Edited) {
  const { start, returns, bucket = "day", brackets = [] } = question
  const elapsed = { day: "24 hours", week: "7 days", month: "30 days" }[bucket]
  return (
    <>
      <fieldset className="q-part">
        <legend>People who did</legend>
        <EventField
          label="Start event"
          path="start.event"
          quiet
          value={start.event}
          onChange={(event) => ask({ ...question, start: { ...start, event } })}
        />
        <ConditionField
          label="Filter of the start event"
          path="start.where"
          quiet
          placeholder="only if: amount >= 50"
          event={start.event}
          value={start.where ?? ""}
          onChange={(where) => ask({ ...question, start: { ...start, where } })}
        />
        <SelectField
          label="Who is in a cohort"
          path="cohort"
          quiet
          value={question.cohort ?? "first_time"}
          options={COHORTS}
          onChange={(cohort) => ask({ ...question, cohort })}
        />
      </fieldset>
      <fieldset className="q-part">
        <legend>and came back with</legend>
        <EventField
          label="Return event"
          path="returns.event"
          quiet
          value={returns.event}
          onChange={(event) => ask({ ...question, returns: { ...returns, event } })}
        />
        <ConditionField
          label="Filter of the return event"
          path="returns.where"
          quiet
          placeholder="only if: amount >= 50"
          event={returns.event}
          value={returns.where ?? ""}
          onChange={(where) => ask({ ...question, returns: { ...returns, where } })}
        />
        <SelectField
          label="When a return counts"
          path="mode"
          quiet
          value={question.mode ?? "on"}
          options={MODES}
          onChange={(mode) => ask({ ...question, mode })}
        />
      </fieldset>
      <div className="q-pair">
        <BucketField
          label="Cohorts by"
          value={bucket}
          only={BUCKETS}
          onChange={(next) => ask({ ...question, bucket: next as Bucket })}
        />
        <SelectField
          label="Periods"
          path="window"
          value={question.window ?? "calendar"}
          options={WINDOWS}
          onChange={(window) => ask({ ...question, window })}
        />
      </div>
      {question.window === "elapsed" && <p className="mute small">A period is {elapsed} from a person's start.</p>}
      <Tick
        label="Brackets of several periods"
        checked={brackets.length > 0}
        onChange={(on) => ask({ ...question, brackets: on ? BRACKETS : undefined })}
      />
      {brackets.length > 0 ? (
        <Brackets question={question} ask={ask} />
      ) : (
        <NumberField
          label="How many periods"
          path="periods"
          value={question.periods ?? 12}
          min={1}
          max={90}
          onChange={(periods) => ask({ ...question, periods })}
        />
      )}
      <RangeField value={question} onChange={(range) => ask({ ...question, ...range })} />
      <BreakdownsField
        events={[start.event]}
        value={question.breakdown}
        top={question.top ?? 10}
        onChange={(breakdown, top) => ask({ ...question, breakdown, top })}
      />
      <PeopleField value={question} onChange={(whom) => ask({ ...question, ...whom })} />
    </>
  )
}

function Brackets({ question, ask }: Edited) {
  const brackets = question.brackets ?? []
  const unit = question.bucket ?? "day"
  function change(at: number, end: 0 | 1, n: number): void {
    if (!Number.isInteger(n)) return
    const changed = brackets.map((one, other): [number, number] =>
      other !== at ? one : end === 0 ? [n, one[1]] : [one[0], n],
    )
    ask({ ...question, brackets: changed })
  }
  const last = brackets.at(-1)?.[1] ?? 0
  return (
    <fieldset className="q-part">
      <legend className="hidden">Brackets</legend>
      {brackets.map((bracket, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a bracket is its place
        <Field key={at} label={`Bracket ${at + 1}`} path={`brackets[${at}]`} quiet>
          {({ id, ...field }) => (
            <div className="bracket">
              {unit}{" "}
              <input
                {...field}
                id={id}
                className="field"
                type="number"
                min={0}
                value={bracket[0]}
                onChange={(event) => change(at, 0, event.target.valueAsNumber)}
              />{" "}
              to{" "}
              <input
                {...field}
                aria-label={`Last ${unit} of bracket ${at + 1}`}
                className="field"
                type="number"
                min={0}
                value={bracket[1]}
                onChange={(event) => change(at, 1, event.target.valueAsNumber)}
              />
              <button
                type="button"
                className="icon-button"
                aria-label={`Remove bracket ${at + 1}`}
                title="Remove"
                disabled={brackets.length === 1}
                onClick={() => ask({ ...question, brackets: brackets.filter((_, other) => other !== at) })}
              >
                <X aria-hidden="true" />
              </button>
            </div>
          )}
        </Field>
      ))}
      <button
        type="button"
        className="link small"
        onClick={() => ask({ ...question, brackets: [...brackets, [last + 1, last + 7]] })}
      >
        + Add a bracket
      </button>
    </fieldset>
  )
}
