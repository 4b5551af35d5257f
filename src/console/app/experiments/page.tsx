import { Link, useParams } from "@tanstack/react-router"
import "../insights/journeys.css"
import { useAsked } from "../insights/query/asked.ts"
import { Bench } from "../insights/workbench.tsx"
import type { Flag } from "../lib/api.ts"
import { Answered, Badge, Page, Waiting } from "../ui/parts.tsx"
import { type Experiment, ExperimentBuilder } from "./builder.tsx"
import "./experiments.css"
import { useFlags, useMetrics } from "./queries.ts"
import { divides, titleOf } from "./shape.ts"
import { ExperimentView } from "./view.tsx"

/** The saved metrics that are compared until others are chosen. */
const FIRST_METRICS = 3

export function ExperimentPage() {
  const { flag: key = "" } = useParams({ strict: false }) as { flag?: string }
  const answer = useFlags()
  const flag = answer.data?.find((one) => one.key === key)
  return (
    <Page
      title={key}
      above={<Link to="/experiments">Experiments</Link>}
      lead={flag?.description}
      aside={
        flag && (
          <p className="facts">
            {flag.enabled ? <Badge tone="good">on</Badge> : <Badge>off</Badge>}
            <Link to="/flags/$name" params={{ name: key }}>
              The flag
            </Link>
          </p>
        )
      }
    >
      <Answered answer={answer} lines={10}>
        {() => (flag ? <Results flag={flag} /> : <p className="notice bad">There is no flag {key}.</p>)}
      </Answered>
    </Page>
  )
}

function isReady({ metrics }: Experiment): boolean {
  return metrics.every(({ metric, event, measure, property }) => metric || (event && (measure !== "sum" || property)))
}

function Results({ flag }: { flag: Flag }) {
  const saved = useMetrics()
  const metrics = saved?.slice(0, FIRST_METRICS).map(({ key }) => ({ metric: key }))
  const first: Experiment = {
    kind: "experiment",
    last: "30d",
    flag: flag.key,
    metrics: metrics?.length ? metrics : [{ event: "" }],
  }
  const found = useAsked("experiment", first)
  if (!found || !saved) return <Waiting lines={10} />
  // Whichever flag a pasted question names, this page is about the one in its address.
  const question: Experiment = { ...found.question, flag: flag.key }
  const asked = { ...found, question }
  const variants = Object.keys(flag.document.variants ?? {})
  return (
    <Bench
      title={flag.key}
      asked={asked}
      ready={isReady(question)}
      missing="Choose the event that the variants are compared by."
      builder={
        <ExperimentBuilder
          question={question}
          ask={asked.ask}
          variants={variants}
          control={variants.includes("control") ? "control" : (flag.document.offVariant ?? "")}
        />
      }
      titleOf={titleOf}
    >
      {(answer) => (
        <ExperimentView
          answer={answer}
          caution={
            !divides(flag) && (
              <p className="notice warn">
                No rule of this flag splits. Who gets which variant depends on conditions, so differences may be theirs.
              </p>
            )
          }
          open={asked.show}
        />
      )}
    </Bench>
  )
}
