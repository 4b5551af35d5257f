/** The answer on a tile of a dashboard. */
import type { Answer, Question } from "../query/question.ts"
import type { ViewProps } from "../tile.ts"
import { StickinessView } from "./view.tsx"

/** What stands above and below the drawing. */
const AROUND_PIXELS = 36
const LEAST_PIXELS = 120

export default function StickinessTile({ question, answer, height }: ViewProps) {
  return (
    <StickinessView
      question={question as Question<"stickiness">}
      answer={answer as Answer<"stickiness">}
      height={Math.max(LEAST_PIXELS, height - AROUND_PIXELS)}
    />
  )
}
