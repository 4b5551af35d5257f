/** How answers of each kind are shown on a tile of a dashboard. Without a view, it shows the table of the answer. */
import { type ComponentType, type LazyExoticComponent, lazy } from "react"
import type { Kind } from "../insights/query/question.ts"
import type { ViewProps } from "../insights/tile.tsx"

export const VIEWS: Partial<Record<Kind, LazyExoticComponent<ComponentType<ViewProps>>>> = {
  trend: lazy(() => import("../insights/trends/tile.tsx")),
  funnel: lazy(() => import("../insights/funnels/tile.tsx")),
  retention: lazy(() => import("../insights/retention/tile.tsx")),
  lifecycle: lazy(() => import("../insights/lifecycle/tile.tsx")),
  stickiness: lazy(() => import("../insights/stickiness/tile.tsx")),
  experiment: lazy(() => import("../experiments/tile.tsx")),
  paths: lazy(() => import("../insights/paths/tile.tsx")),
}
