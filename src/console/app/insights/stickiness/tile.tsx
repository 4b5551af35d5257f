/** The answer on a tile of a dashboard. */
import { tileOf } from "../tile.tsx"
import { titleOf } from "./shape.ts"
import { StickinessView } from "./view.tsx"

/** What stands above and below the drawing. */
const AROUND_PIXELS = 36
const LEAST_PIXELS = 120

export default tileOf<"stickiness">(
  ({ height, ...shown }) => <StickinessView {...shown} height={Math.max(LEAST_PIXELS, height - AROUND_PIXELS)} />,
  (cell, _, { bucket = "day" }) => titleOf(cell, bucket),
)
