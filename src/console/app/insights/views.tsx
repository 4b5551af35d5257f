/** How answers of each kind are shown on a tile of a dashboard. Without a view, it shows the table of the answer. */
import { type ComponentType, type LazyExoticComponent, lazy } from "react"
import type { Kind, OfKind } from "./query/question.ts"

export interface ViewProps {
  question: OfKind
  answer: OfKind
  title: string
  /** How high it may be without scrolling, in pixels. */
  height: number
}

export const VIEWS: Partial<Record<Kind, LazyExoticComponent<ComponentType<ViewProps>>>> = {
  trend: lazy(() => import("./trends/tile.tsx")),
  funnel: lazy(() => import("./funnels/tile.tsx")),
  retention: lazy(() => import("./retention/tile.tsx")),
  lifecycle: lazy(() => import("./lifecycle/tile.tsx")),
  stickiness: lazy(() => import("./stickiness/tile.tsx")),
  experiment: lazy(() => import("../experiments/tile.tsx")),
  paths: lazy(() => import("./paths/tile.tsx")),
}
