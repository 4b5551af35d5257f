import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { cellTexts } from "../insights/query/cells.ts"
import { texts } from "../insights/routes.ts"
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
  validateSearch: (search) => ({ ...only("edit", "last", "tile")(search), ...cellTexts(texts(search)) }),
  component: lazyRouteComponent(() => import("./page.tsx"), "DashboardPage"),
})

export const dashboards = [list, one]
