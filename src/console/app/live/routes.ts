import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

const page = createRoute({
  getParentRoute: () => root,
  path: "/live",
  validateSearch: only("event", "user", "kind", "status", "segment", "profileId"),
  component: lazyRouteComponent(() => import("./live.tsx"), "LivePage"),
})

export const live = [page]
