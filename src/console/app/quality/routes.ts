import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

const all = createRoute({
  getParentRoute: () => root,
  path: "/quality",
  validateSearch: only("view", "code", "key", "hours", "rejection", "letter"),
  component: lazyRouteComponent(() => import("./page.tsx"), "QualityPage"),
})

export const quality = [all]
