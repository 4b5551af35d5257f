/** The answer on a tile of a dashboard. */
import { tileOf } from "../tile.tsx"
import "./funnels.css"
import { titleOf } from "./shape.ts"
import { FunnelView } from "./view.tsx"

/** What stands above and below the drawing. */
const AROUND_PIXELS = 52
const LEAST_PIXELS = 150

export default tileOf<"funnel">(
  ({ answer, height, open }) => (
    <FunnelView answer={answer} brief height={Math.max(LEAST_PIXELS, height - AROUND_PIXELS)} open={open} />
  ),
  titleOf,
)
