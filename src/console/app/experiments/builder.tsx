/** What an experiment compares its variants by. */
import { X } from "lucide-react"
import {
  ConditionField,
  EventField,
  MetricField,
  NameField,
  PeopleField,
  PropertyField,
  RangeField,
  SelectField,
  TextField,
} from "../insights/builder/fields.tsx"
import type { Question } from "../insights/query/question.ts"
import type { ExperimentMetric } from "../lib/api.ts"
import { useMetrics } from "./queries.ts"

export type Experiment = Question<"experiment">

const MEASURES = [
  { value: "conversion", title: "Share of units with it" },
  { value: "count", title: "Events per unit" },
  { value: "sum", title: "Sum per unit" },
] as const

export function ExperimentBuilder(props: {
  question: Experiment
  ask: (next: Experiment) => void
  variants: string[]
  control: string
}) {
  const { question, ask, variants } = props
  const { metrics } = question
  return (
    <>
      {metrics.map((metric, at) => (
        <MetricEditor
          // biome-ignore lint/suspicious/noArrayIndexKey: a metric is its place
          key={at}
          at={at}
          metric={metric}
          onChange={(next) => ask({ ...question, metrics: metrics.with(at, next) })}
          onRemove={metrics.length > 1 ? () => ask({ ...question, metrics: metrics.toSpliced(at, 1) }) : undefined}
        />
      ))}
      <div className="q-add">
        <button
          type="button"
          className="button small"
          onClick={() => ask({ ...question, metrics: [...metrics, { event: "" }] })}
        >
          + Metric
        </button>
      </div>
      <hr />
      <RangeField value={question} onChange={(range) => ask({ ...question, ...range })} />
      <SelectField
        label="Control"
        path="control"
        value={question.control ?? ""}
        options={[
          { value: "", title: `By default: ${props.control}` },
          ...variants.map((variant) => ({ value: variant, title: variant })),
        ]}
        onChange={(control) => ask({ ...question, control: control || undefined })}
      />
      <PeopleField value={question} onChange={(whom) => ask({ ...question, ...whom })} />
    </>
  )
}

function MetricEditor(props: {
  at: number
  metric: ExperimentMetric
  onChange: (metric: ExperimentMetric) => void
  onRemove?: () => void
}) {
  const { at, metric, onChange, onRemove } = props
  const saved = useMetrics() ?? []
  const path = `metrics[${at}]`
  const name = `metric ${at + 1}`
  return (
    <fieldset className="q-part">
      <legend>Metric {at + 1}</legend>
      {onRemove && (
        <button type="button" className="icon-button q-remove" aria-label={`Remove ${name}`} onClick={onRemove}>
          <X aria-hidden="true" />
        </button>
      )}
      {(saved.length > 0 || metric.metric) && (
        <MetricField
          label={`What ${name} is`}
          path={`${path}.metric`}
          saved={saved}
          value={metric.metric ?? ""}
          onChange={(key) => onChange(key ? { metric: key, name: metric.name } : { event: "", name: metric.name })}
        />
      )}
      {!metric.metric && (
        <>
          <EventField
            label={`Event of ${name}`}
            path={`${path}.event`}
            quiet
            value={metric.event}
            onChange={(event) => onChange({ ...metric, event })}
          />
          <SelectField
            label={`Measure of ${name}`}
            path={`${path}.measure`}
            quiet
            value={metric.measure ?? "conversion"}
            options={MEASURES}
            onChange={(measure) =>
              onChange({ ...metric, measure, property: measure === "sum" ? metric.property : undefined })
            }
          />
          {metric.measure === "sum" && (
            <PropertyField
              label={`Property of ${name}`}
              path={`${path}.property`}
              quiet
              event={metric.event}
              value={metric.property ?? ""}
              onChange={(property) => onChange({ ...metric, property })}
            />
          )}
          <ConditionField
            label={`Filter of ${name}`}
            path={`${path}.where`}
            quiet
            placeholder="only if: amount >= 50"
            event={metric.event ?? ""}
            value={metric.where ?? ""}
            onChange={(where) => onChange({ ...metric, where })}
          />
          <TextField
            label={`Time of ${name} after the exposure`}
            path={`${path}.within`}
            quiet
            placeholder="within: 7d"
            value={metric.within ?? ""}
            onChange={(within) => onChange({ ...metric, within: within || undefined })}
          />
        </>
      )}
      <NameField
        of={name}
        path={`${path}.name`}
        value={metric.name ?? ""}
        onChange={(next) => onChange({ ...metric, name: next })}
      />
    </fieldset>
  )
}
