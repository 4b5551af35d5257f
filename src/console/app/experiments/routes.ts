import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { texts } from "../insights/routes.ts"
import { only, root } from "../root.tsx"

const list = createRoute({
  getParentRoute: () => root,
  path: "/experiments",
  validateSearch: only("q"),
  component: lazyRouteComponent(() => import("./list.tsx"), "ExperimentsPage"),
})

const one = createRoute({
  getParentRoute: () => root,
  path: "/experiments/$flag",
  validateSearch: texts,
  component: lazyRouteComponent(() => import("./page.tsx"), "ExperimentPage"),
})

export const experiments = [list, one]
