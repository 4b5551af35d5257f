import { ActivityBuilder } from "../builder/activity.tsx"
import "../journeys.css"
import { useAsked } from "../query/asked.ts"
import { type Question, questionOf } from "../query/question.ts"
import { Workbench } from "../workbench.tsx"
import { titleOf } from "./shape.ts"
import { StickinessTable, StickinessView } from "./view.tsx"

type Stickiness = Question<"stickiness">

const FIRST: Stickiness = { kind: "stickiness", last: "14d", bucket: "day", event: "*" }

export function StickinessPage() {
  const asked = useAsked("stickiness", FIRST)
  return (
    <Workbench
      title="Stickiness"
      asked={asked}
      ready={asked !== undefined && asked.question.event !== ""}
      missing="Choose an event."
      builder={
        asked && <ActivityBuilder question={asked.question} bucket={asked.question.bucket ?? "day"} ask={asked.ask} />
      }
      titleOf={(cell) => titleOf(cell, asked?.question.bucket ?? "day")}
    >
      {(answer) => {
        if (!asked) return null
        const question = questionOf<"stickiness">(answer, asked.question)
        return (
          <>
            <StickinessView question={question} answer={answer} open={asked.show} />
            {answer.rows.length > 0 && <StickinessTable question={question} answer={answer} open={asked.show} />}
          </>
        )
      }}
    </Workbench>
  )
}
