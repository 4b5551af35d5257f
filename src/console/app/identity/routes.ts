import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

export const identity = [
  createRoute({
    getParentRoute: () => root,
    path: "/identity",
    validateSearch: only("tab", "profile", "reason"),
    component: lazyRouteComponent(() => import("./page.tsx"), "IdentityPage"),
  }),
]
