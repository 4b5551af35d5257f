import { Tick } from "../../ui/fields.tsx"
import { Panel } from "../../ui/parts.tsx"
import { type Asked, useAsked } from "../query/asked.ts"
import { type Answer, questionOf } from "../query/question.ts"
import { groupName } from "../rates.ts"
import { Workbench } from "../workbench.tsx"
import "../journeys.css"
import { type Retention, RetentionBuilder } from "./builder.tsx"
import "./retention.css"
import { titleOf } from "./shape.ts"
import { RetentionTable, RetentionView } from "./view.tsx"

const FIRST: Retention = {
  kind: "retention",
  last: "12w",
  bucket: "week",
  start: { event: "*" },
  returns: { event: "*" },
}
/** The page's `view` in which cells show people in the place of shares. */
const COUNTS = "people"

export function RetentionPage() {
  const asked = useAsked("retention", FIRST)
  const bucket = asked?.question.bucket ?? "day"
  const onOrAfter = asked?.question.mode === "on_or_after"
  return (
    <Workbench
      title="Retention"
      asked={asked}
      ready={Boolean(asked?.question.start?.event && asked.question.returns?.event)}
      missing="Choose what people start with, and what they come back for."
      builder={asked && <RetentionBuilder question={asked.question} ask={asked.ask} />}
      titleOf={(cell, answer) => titleOf(cell, answer, bucket, onOrAfter)}
    >
      {(answer) => asked && <Result asked={asked} answer={answer} />}
    </Workbench>
  )
}

function Result({ asked, answer }: { asked: Asked<"retention">; answer: Answer<"retention"> }) {
  const question = questionOf<"retention">(answer, asked.question)
  const counts = asked.view === COUNTS
  return (
    <>
      <RetentionView question={question} answer={answer} />
      {answer.groups.map((group, at) => (
        <Panel
          key={groupName(group.group)}
          title={group.group === null ? "Cohorts" : groupName(group.group)}
          aside={
            at === 0 && (
              <Tick label="Numbers of people" checked={counts} onChange={(on) => asked.look(on ? COUNTS : "")} />
            )
          }
        >
          <RetentionTable question={question} answer={answer} group={group} counts={counts} open={asked.show} />
        </Panel>
      ))}
      <p className="mute small heat-legend">
        <span data-state="open">12 %</span> is not over yet, and may grow. Averages leave such cells out.
      </p>
    </>
  )
}
