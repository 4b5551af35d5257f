/** The answer on a tile of a dashboard. */
import { tileOf } from "../tile.tsx"
import { titleOf } from "./shape.ts"
import { RetentionView } from "./view.tsx"

const LEAST_PIXELS = 140

export default tileOf<"retention">(
  ({ height, ...shown }) => <RetentionView {...shown} height={Math.max(LEAST_PIXELS, height)} />,
  (cell, answer, { bucket = "day", mode }) => titleOf(cell, answer, bucket, mode === "on_or_after"),
)
