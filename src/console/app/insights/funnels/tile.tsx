/** The answer on a tile of a dashboard. */
import type { Answer } from "../query/question.ts"
import type { ViewProps } from "../tile.ts"
import "./funnels.css"
import { FunnelView } from "./view.tsx"

/** What stands above and below the drawing. */
const AROUND_PIXELS = 52
const LEAST_PIXELS = 150

export default function FunnelTile({ answer, height }: ViewProps) {
  return <FunnelView answer={answer as Answer<"funnel">} height={Math.max(LEAST_PIXELS, height - AROUND_PIXELS)} />
}
