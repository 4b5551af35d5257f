import { TimeChart } from "../../charts/time_chart.tsx"
import type { FunnelAnswer } from "../../lib/api.ts"
import { Panel } from "../../ui/parts.tsx"
import { percent } from "../figures.ts"
import { useAnswer } from "../query/answer.ts"
import { type Asked, useAsked } from "../query/asked.ts"
import type { Answer } from "../query/question.ts"
import { groupName, rangeBefore } from "../rates.ts"
import { Workbench } from "../workbench.tsx"
import { FunnelBuilder } from "./builder.tsx"
import "./funnels.css"
import "../journeys.css"
import { conversionsOf, type Funnel, titleOf } from "./shape.ts"
import { FunnelView, StepTable, TimeToConvert } from "./view.tsx"

const FIRST: Funnel = { kind: "funnel", last: "30d", steps: [{ event: "" }, { event: "" }] }
/** The page's `view` while the range before is asked for too. */
const BEFORE = "before"

function isReady({ steps, exclude = [], hold = [] }: Funnel): boolean {
  return steps.every(({ event }) => event) && exclude.every(({ event }) => event) && !hold.includes("")
}

export function FunnelsPage() {
  const asked = useAsked("funnel", FIRST)
  return (
    <Workbench
      title="Funnels"
      asked={asked}
      ready={asked !== undefined && isReady(asked.question)}
      missing="Choose the event of each step."
      builder={
        asked && (
          <FunnelBuilder
            question={asked.question}
            ask={asked.ask}
            before={asked.view === BEFORE}
            compare={(on) => asked.look(on ? BEFORE : "")}
          />
        )
      }
      titleOf={titleOf}
    >
      {(answer) => asked && <FunnelOf answer={answer} asked={asked} />}
    </Workbench>
  )
}

function FunnelOf({ answer, asked }: { answer: Answer<"funnel">; asked: Asked<"funnel"> }) {
  const before = useBefore(asked, answer)
  return (
    <>
      <FunnelView answer={answer} before={before} open={asked.show} />
      {answer.groups.length > 0 && <StepTable answer={answer} before={before} open={asked.show} />}
      {answer.trend?.length ? <Trend answer={answer} asked={asked} /> : null}
      <TimeToConvert answer={answer} open={asked.show} />
    </>
  )
}

/** The answer for the range of the same length before; nothing unless it is asked for. */
function useBefore(asked: Asked<"funnel">, answer: Answer<"funnel">): FunnelAnswer | undefined {
  const { from = "", to = "" } = answer.question ?? {}
  const range = from && to ? rangeBefore(from, to) : {}
  const question: Funnel = { ...asked.question, last: undefined, bucket: undefined, ...range }
  return useAnswer<"funnel">(question, asked.view === BEFORE && from !== "").data
}

/** The conversion of those who entered in each bucket: a rate that may still grow is dashed. */
function Trend({ answer, asked }: { answer: Answer<"funnel">; asked: Asked<"funnel"> }) {
  const trend = answer.trend ?? []
  const found = answer.groups.map((group) => ({ group, points: conversionsOf(trend, group) }))
  return (
    <Panel title="Conversion by time of entry">
      <TimeChart
        label="Conversion by time of entry"
        buckets={trend.map(({ bucket }, at) => ({
          ...bucket,
          complete: found.every(({ points }) => points[at]?.final ?? false),
        }))}
        series={found.map(({ group, points }) => ({
          id: groupName(group.group),
          name: groupName(group.group),
          values: points.map(({ rate }) => rate),
        }))}
        size={asked.question.bucket || "week"}
        zone={answer.zone || "UTC"}
        height={220}
        format={percent}
        onPick={(id, at) => {
          const group = answer.groups.find((one) => groupName(one.group) === id)
          const bucket = trend[at]?.bucket.start
          if (group && bucket)
            asked.show({ kind: "funnel", group: group.group ?? undefined, bucket, status: "converted" })
        }}
      />
      <p className="mute small">A dashed part may still rise: some who entered then are still in progress.</p>
    </Panel>
  )
}
