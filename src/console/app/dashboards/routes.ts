import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

const list = createRoute({
  getParentRoute: () => root,
  path: "/dashboards",
  validateSearch: only("q"),
  component: lazyRouteComponent(() => import("./list.tsx"), "DashboardsPage"),
})

const one = createRoute({
  getParentRoute: () => root,
  path: "/dashboards/$name",
  validateSearch: only("edit", "last"),
  component: lazyRouteComponent(() => import("./page.tsx"), "DashboardPage"),
})

export const dashboards = [list, one]
