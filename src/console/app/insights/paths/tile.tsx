/** The answer on a tile of a dashboard: as high as it is, and scrolled. */
import { tileOf } from "../tile.tsx"
import "./paths.css"
import { titleOf } from "./shape.ts"
import { PathsView } from "./view.tsx"

export default tileOf<"paths">(
  (shown) => <PathsView {...shown} />,
  (cell, _, { end }) => titleOf(cell, Boolean(end)),
)
