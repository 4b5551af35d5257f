/** The answer on a tile of a dashboard: as high as it is, and scrolled. */
import "../insights/journeys.css"
import { tileOf } from "../insights/tile.tsx"
import "./experiments.css"
import { titleOf } from "./shape.ts"
import { ExperimentView } from "./view.tsx"

export default tileOf<"experiment">(({ answer, open }) => <ExperimentView answer={answer} open={open} />, titleOf)
