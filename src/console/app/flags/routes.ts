import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

const one = createRoute({
  getParentRoute: () => root,
  path: "/flags/$name",
  validateSearch: only("tab", "person", "by", "context", "at"),
  component: lazyRouteComponent(() => import("./page.tsx"), "FlagPage"),
})

export const flags = [one]
