/** The answer on a tile of a dashboard. */
import type { Answer, Question } from "../query/question.ts"
import type { ViewProps } from "../tile.ts"
import { RetentionView } from "./view.tsx"

const LEAST_PIXELS = 140

export default function RetentionTile({ question, answer, height }: ViewProps) {
  return (
    <RetentionView
      question={question as Question<"retention">}
      answer={answer as Answer<"retention">}
      height={Math.max(LEAST_PIXELS, height)}
    />
  )
}
