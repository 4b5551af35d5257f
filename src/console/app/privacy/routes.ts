import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

export const privacy = [
  createRoute({
    getParentRoute: () => root,
    path: "/privacy",
    validateSearch: only("tab", "receipt"),
    component: lazyRouteComponent(() => import("./page.tsx"), "PrivacyPage"),
  }),
]
