import { Plus, X } from "lucide-react"
import { useState } from "react"
import type { Series } from "../../lib/api.ts"
import { BreakdownsField } from "../builder/breakdowns.tsx"
import {
  BucketField,
  COMPARE,
  ConditionField,
  EventField,
  MeasureField,
  MetricField,
  NameField,
  NumberField,
  PeopleField,
  PropertyField,
  RangeField,
  SelectField,
  TextField,
} from "../builder/fields.tsx"
import { isOfProperty, measureOf, measureText } from "../builder/measures.ts"
import type { Question } from "../query/question.ts"
import { useSavedMetrics } from "../saved/queries.ts"
import { LETTERS } from "./lines.ts"

type Trend = Question<"trend">

const SHOWN = [
  { value: "", title: "Each bucket on its own" },
  { value: "cumulative", title: "Everything so far" },
  { value: "rolling", title: "Mean of several buckets" },
] as const

const UNITS = [
  { value: "person", title: "People" },
  { value: "group", title: "Groups" },
  { value: "session", title: "Sessions" },
] as const

export function TrendBuilder({ question, ask }: { question: Trend; ask: (next: Trend) => void }) {
  const { series } = question
  const change = (fields: Partial<Trend>) => ask({ ...question, ...fields })
  const put = (index: number, next: Series) => change({ series: series.with(index, next) })
  const shown = question.cumulative ? "cumulative" : question.rolling ? "rolling" : ""
  return (
    <>
      {series.map((one, index) => (
        <SeriesEditor
          // biome-ignore lint/suspicious/noArrayIndexKey: a series is its letter, which is its place
          key={index}
          letter={LETTERS[index] ?? ""}
          path={`series[${index}]`}
          value={one}
          onChange={(next) => put(index, next)}
          onRemove={series.length > 1 ? () => change({ series: series.toSpliced(index, 1) }) : undefined}
        />
      ))}
      <div className="q-add">
        {series.length < LETTERS.length && (
          <button type="button" className="button small" onClick={() => change({ series: [...series, { event: "" }] })}>
            <Plus aria-hidden="true" /> Series
          </button>
        )}
      </div>
      <TextField
        label="Formula"
        path="formula"
        mono
        placeholder={series.length > 1 ? "B / A * 100" : "A / 7"}
        value={question.formula ?? ""}
        onChange={(formula) => change({ formula: formula || undefined })}
      />
      <hr />
      <RangeField value={question} onChange={(range) => change(range)} />
      <div className="q-pair">
        <BucketField value={question.bucket ?? "day"} onChange={(bucket) => change({ bucket })} />
        <SelectField
          label="Compare with"
          path="compare"
          value={question.compare ?? ""}
          options={COMPARE}
          onChange={(compare) => change({ compare })}
        />
      </div>
      <BreakdownsField
        events={series.map(({ event }) => event)}
        value={question.breakdown}
        top={question.top ?? 10}
        onChange={(breakdown, top) => change({ breakdown, top })}
      />
      <PeopleField value={question} approximate onChange={change} />
      <hr />
      <div className="q-pair">
        <SelectField
          label="Show"
          path="cumulative"
          value={shown}
          options={SHOWN}
          onChange={(next) => change({ cumulative: next === "cumulative", rolling: next === "rolling" ? 7 : 0 })}
        />
        {shown === "rolling" ? (
          <NumberField
            label="Buckets"
            path="rolling"
            min={2}
            max={400}
            value={question.rolling ?? 0}
            onChange={(rolling) => change({ rolling })}
          />
        ) : (
          <SelectField
            label="Counting"
            path="unit"
            value={question.unit ?? "person"}
            options={UNITS}
            onChange={(unit) => change({ unit })}
          />
        )}
      </div>
    </>
  )
}

function SeriesEditor(props: {
  letter: string
  path: string
  value: Series
  onChange: (series: Series) => void
  onRemove?: () => void
}) {
  const { letter, path, value, onChange } = props
  const [open, setOpen] = useState(false)
  const measure = measureText(value.measure)
  const saved = useSavedMetrics() ?? []
  const which = (saved.length > 0 || value.metric) && (
    <MetricField
      label={`What series ${letter} is`}
      path={`${path}.metric`}
      saved={saved}
      value={value.metric ?? ""}
      onChange={(metric) => onChange(metric ? { metric, name: value.name } : { event: "", name: value.name })}
    />
  )
  const named = (
    <NameField
      of={`series ${letter}`}
      path={`${path}.name`}
      value={value.name ?? ""}
      onChange={(name) => onChange({ ...value, name })}
    />
  )
  if (value.metric) {
    return (
      <fieldset className="q-part">
        <legend>Series {letter}</legend>
        {props.onRemove && <Remove letter={letter} onRemove={props.onRemove} />}
        {which}
        {named}
      </fieldset>
    )
  }
  return (
    <fieldset className="q-part">
      <legend>Series {letter}</legend>
      {props.onRemove && <Remove letter={letter} onRemove={props.onRemove} />}
      {which}
      <EventField
        label={`Event of series ${letter}`}
        path={`${path}.event`}
        quiet
        value={value.event}
        onChange={(event) => onChange({ ...value, event })}
      />
      <div className={isOfProperty(measure) ? "q-pair" : undefined}>
        <MeasureField
          label={`Measure of series ${letter}`}
          path={`${path}.measure`}
          value={measure}
          onChange={(next) =>
            onChange({
              ...value,
              measure: measureOf(next) as Series["measure"],
              property: isOfProperty(next) ? value.property : undefined,
            })
          }
        />
        {isOfProperty(measure) && (
          <PropertyField
            label={`Property of series ${letter}`}
            path={`${path}.property`}
            quiet
            event={value.event}
            value={value.property ?? ""}
            onChange={(property) => onChange({ ...value, property })}
          />
        )}
      </div>
      {open || value.where ? (
        <ConditionField
          label={`Filter of series ${letter}`}
          path={`${path}.where`}
          quiet
          event={value.event ?? ""}
          value={value.where ?? ""}
          onChange={(where) => onChange({ ...value, where })}
        />
      ) : (
        <button type="button" className="link small" onClick={() => setOpen(true)}>
          + Filter
        </button>
      )}{" "}
      {named}
    </fieldset>
  )
}

function Remove({ letter, onRemove }: { letter: string; onRemove: () => void }) {
  return (
    <button type="button" className="icon-button q-remove" aria-label={`Remove series ${letter}`} onClick={onRemove}>
      <X aria-hidden="true" />
    </button>
  )
}
