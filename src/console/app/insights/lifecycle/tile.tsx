/** The answer on a tile of a dashboard. */
import type { Answer, Question } from "../query/question.ts"
import type { ViewProps } from "../tile.ts"
import { LifecycleView } from "./view.tsx"

/** What stands above and below the drawing. */
const AROUND_PIXELS = 32
const LEAST_PIXELS = 120

export default function LifecycleTile({ question, answer, height }: ViewProps) {
  return (
    <LifecycleView
      question={question as Question<"lifecycle">}
      answer={answer as Answer<"lifecycle">}
      height={Math.max(LEAST_PIXELS, height - AROUND_PIXELS)}
    />
  )
}
