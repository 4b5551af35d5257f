/** The answer on a tile of a dashboard. */
import { tileOf } from "../tile.tsx"
import { titleOf } from "./shape.ts"
import { LifecycleView } from "./view.tsx"

/** What stands above and below the drawing. */
const AROUND_PIXELS = 32
const LEAST_PIXELS = 120

export default tileOf<"lifecycle">(
  ({ height, ...shown }) => <LifecycleView {...shown} height={Math.max(LEAST_PIXELS, height - AROUND_PIXELS)} />,
  (cell, _, { bucket = "week" }) => titleOf(cell, bucket),
)
