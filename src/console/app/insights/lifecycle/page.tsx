import { ActivityBuilder } from "../builder/activity.tsx"
import { useAsked } from "../query/asked.ts"
import { type Bucket, type Question, questionOf } from "../query/question.ts"
import { Workbench } from "../workbench.tsx"
import "../journeys.css"
import { MEANINGS, PARTS, titleOf } from "./shape.ts"
import { LifecycleTable, LifecycleView } from "./view.tsx"

type Lifecycle = Question<"lifecycle">

const FIRST: Lifecycle = { kind: "lifecycle", last: "12w", bucket: "week", event: "*" }

export function LifecyclePage() {
  const asked = useAsked("lifecycle", FIRST)
  const bucket: Bucket = asked?.question.bucket ?? "week"
  return (
    <Workbench
      title="Lifecycle"
      asked={asked}
      ready={asked !== undefined && asked.question.event !== ""}
      missing="Choose an event."
      builder={asked && <ActivityBuilder question={asked.question} bucket={bucket} ask={asked.ask} />}
      titleOf={(cell) => titleOf(cell, bucket)}
    >
      {(answer) =>
        asked && (
          <>
            <LifecycleView
              question={questionOf<"lifecycle">(answer, asked.question)}
              answer={answer}
              open={asked.show}
            />
            <dl className="meanings small">
              {PARTS.map((part) => (
                <div key={part}>
                  <dt>{part}</dt>
                  <dd className="mute">{MEANINGS[part]}</dd>
                </div>
              ))}
            </dl>
            <LifecycleTable
              question={questionOf<"lifecycle">(answer, asked.question)}
              answer={answer}
              open={asked.show}
            />
          </>
        )
      }
    </Workbench>
  )
}
