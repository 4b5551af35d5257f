/** The answer on a tile of a dashboard: as high as it is, and scrolled. */
import "../insights/journeys.css"
import type { Answer } from "../insights/query/question.ts"
import type { ViewProps } from "../insights/tile.ts"
import "./experiments.css"
import { ExperimentView } from "./view.tsx"

export default function ExperimentTile({ answer }: ViewProps) {
  return <ExperimentView answer={answer as Answer<"experiment">} />
}
