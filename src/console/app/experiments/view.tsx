/** What an experiment answers: whether its split can be trusted, then each metric of each variant. */
import type { ReactNode } from "react"
import { Behind, type OpenPeople } from "../insights/behind.tsx"
import { percent } from "../insights/figures.ts"
import { probability } from "../insights/rates.ts"
import type { ExperimentAnswer, MetricResult, VariantResult } from "../lib/api.ts"
import { Badge, Panel } from "../ui/parts.tsx"
import { TableFrame } from "../ui/table.tsx"
import {
  chance,
  differenceOf,
  figureOf,
  placeOf,
  ratioVerdict,
  relative,
  resultSentence,
  spanOf,
  titleOf,
} from "./shape.ts"

const MEASURES: Record<string, string> = {
  conversion: "Share of units with such an event",
  count: "Events per unit",
  sum: "Sum per unit",
}

/** The answer: on its page and on a dashboard. */
export function ExperimentView(props: {
  answer: ExperimentAnswer
  /** Says before the results what they cannot. */
  caution?: ReactNode
  open?: OpenPeople<"experiment">
}) {
  const { answer, caution, open } = props
  return (
    <>
      <SampleRatio answer={answer} />
      {caution}
      <Variants answer={answer} open={open} />
      {answer.metrics.map((metric, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a metric is its place
        <Metric key={at} answer={answer} metric={metric} place={at} open={open} />
      ))}
    </>
  )
}

/** Stands above everything else: a mismatch makes every result below doubtful, and hides none. */
function SampleRatio({ answer }: { answer: ExperimentAnswer }) {
  const { tone, sentence, advice } = ratioVerdict(answer)
  return (
    <section
      className={`notice ratio ${tone === "bad" ? "bad" : tone === "good" ? "good" : ""}`}
      aria-label="Sample ratio"
      role={tone === "bad" ? "alert" : undefined}
    >
      <div>
        <p>{tone === "bad" ? <b>{sentence}</b> : sentence}</p>
        {advice && <p className="mute">{advice}</p>}
      </div>
    </section>
  )
}

function Variants({ answer, open }: { answer: ExperimentAnswer; open?: OpenPeople<"experiment"> }) {
  const units = answer.variants.reduce((total, one) => total + one.units, 0)
  return (
    <Panel title="Variants">
      <TableFrame>
        <table>
          <thead>
            <tr>
              <th scope="col">Variant</th>
              <th scope="col" className="end">
                Units
              </th>
              <th scope="col" className="end">
                Share
              </th>
              <th scope="col" className="end">
                Expected
              </th>
              <th scope="col" className="end">
                Crossovers
              </th>
            </tr>
          </thead>
          <tbody>
            {answer.variants.map(({ variant, units: n, crossovers }) => (
              <tr key={variant}>
                <th scope="row" className="variant">
                  {variant} {variant === answer.control && <Badge>control</Badge>}
                </th>
                <td className="end">
                  <Behind
                    n={n}
                    cell={{ kind: "experiment", variant, number: "units" }}
                    title={titleOf({ kind: "experiment", variant, number: "units" }, answer)}
                    open={open}
                  />
                </td>
                <td className="end">{percent(units ? n / units : null)}</td>
                <td className="end mute">{percent(answer.sampleRatio.expected[variant] ?? null)}</td>
                <td className="end">
                  <Behind
                    n={crossovers}
                    cell={{ kind: "experiment", variant, number: "crossovers" }}
                    title={titleOf({ kind: "experiment", variant, number: "crossovers" }, answer)}
                    open={open}
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableFrame>
      <p className="mute small">
        A unit counts under its first exposure. Crossovers saw another variant too; they are counted here, and are in no
        result.
      </p>
    </Panel>
  )
}

function Metric(props: {
  answer: ExperimentAnswer
  metric: MetricResult
  place: number
  open?: OpenPeople<"experiment">
}) {
  const { answer, metric, place, open } = props
  const span = spanOf(metric.variants)
  const control = metric.variants.find(({ variant }) => variant === answer.control)
  const drawn = metric.variants.some(({ difference }) => difference !== null)
  return (
    <Panel title={metric.name} aside={<span className="mute">{MEASURES[metric.measure] ?? metric.measure}</span>}>
      <TableFrame>
        <table className="results">
          <thead>
            <tr>
              <th scope="col">Variant</th>
              <th scope="col" className="end">
                Value
              </th>
              <th scope="col" className="difference">
                Difference to {answer.control}
              </th>
              <th scope="col" className="end" title="The probability of such a difference without any effect">
                p
              </th>
              <th scope="col" className="end" title="The probability that this variant's true value is the higher one">
                Chance to win
              </th>
              <th scope="col" className="end">
                Units
              </th>
              <th scope="col" className="end">
                Still open
              </th>
            </tr>
          </thead>
          <tbody>
            {metric.variants.map((result) => (
              <tr key={result.variant}>
                <th scope="row" className="variant">
                  {result.variant} {result.variant === answer.control && <Badge>control</Badge>}
                </th>
                <td className="end">
                  <b className="number">{figureOf(metric.measure, result.value)}</b>
                  {result.conversions !== null && (
                    <p className="mute small converted">
                      <Behind
                        n={result.conversions}
                        cell={{ kind: "experiment", variant: result.variant, metric: place, number: "conversions" }}
                        title={titleOf(
                          { kind: "experiment", variant: result.variant, metric: place, number: "conversions" },
                          answer,
                        )}
                        open={open}
                      />{" "}
                      converted
                    </p>
                  )}
                </td>
                <td className="difference">
                  {result.variant === answer.control ? (
                    <span className="mute">—</span>
                  ) : (
                    <Difference
                      measure={metric.measure}
                      result={result}
                      control={answer.control}
                      of={control?.value ?? null}
                      span={span}
                    />
                  )}
                </td>
                <td className="end">{probability(result.p)}</td>
                <td className="end">{chance(result.chanceToWin)}</td>
                <Figure answer={answer} result={result} number="units" place={place} open={open} />
                <Figure answer={answer} result={result} number="open" place={place} open={open} />
              </tr>
            ))}
          </tbody>
        </table>
      </TableFrame>
      {drawn && (
        <ul className="interval-legend mute small" aria-label="How to read the intervals">
          <li data-line="interval">95 % interval, for one look at the planned end</li>
          <li data-line="always">holds however often you look</li>
          <li data-line="zero">no difference</li>
        </ul>
      )}
    </Panel>
  )
}

function Figure(props: {
  answer: ExperimentAnswer
  result: VariantResult
  number: "units" | "open"
  place: number
  open?: OpenPeople<"experiment">
}) {
  const { result, answer, number, place, open } = props
  const n = result[number]
  const cell = { kind: "experiment" as const, variant: result.variant, metric: place, number }
  return (
    <td className="end">
      <Behind n={n} cell={cell} title={titleOf(cell, answer)} open={open} />
    </td>
  )
}

function Difference(props: {
  measure: string
  result: VariantResult
  control: string
  of: number | null
  span: [number, number]
}) {
  const { measure, result, control, of, span } = props
  const { difference, interval, alwaysValid } = result
  return (
    <>
      {difference !== null && (
        <div className="interval-row">
          <b className="number">
            {differenceOf(measure, difference)} <span className="mute">{relative(difference, of)}</span>
          </b>
          <svg className="interval" height={20} aria-hidden="true">
            <line className="zero" x1={`${placeOf(0, span)}%`} x2={`${placeOf(0, span)}%`} y1={0} y2={20} />
            <Range of={alwaysValid} span={span} name="always" />
            <Range of={interval} span={span} name="interval" />
            <circle cx={`${placeOf(difference, span)}%`} cy={10} r={4} />
          </svg>
        </div>
      )}
      <p className="mute small">{resultSentence(measure, result, control)}</p>
    </>
  )
}

function Range({ of, span, name }: { of: VariantResult["interval"]; span: [number, number]; name: string }) {
  if (of?.[0] == null || of[1] == null) return null
  return <line className={name} x1={`${placeOf(of[0], span)}%`} x2={`${placeOf(of[1], span)}%`} y1={10} y2={10} />
}
