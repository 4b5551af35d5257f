/** The answer on a tile of a dashboard: as high as it is, and scrolled. */
import type { Answer, Question } from "../query/question.ts"
import type { ViewProps } from "../tile.ts"
import "./paths.css"
import { PathsView } from "./view.tsx"

export default function PathsTile({ question, answer }: ViewProps) {
  return <PathsView question={question as Question<"paths">} answer={answer as Answer<"paths">} />
}
