import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { root } from "../root.tsx"

const page = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("./overview.tsx"), "OverviewPage"),
})

export const overview = [page]
