import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

const one = createRoute({
  getParentRoute: () => root,
  path: "/flags/$name",
  validateSearch: only("tab", "person", "by", "context", "at", "edit"),
  component: lazyRouteComponent(() => import("./page.tsx"), "FlagPage"),
})

const created = createRoute({
  getParentRoute: () => root,
  path: "/new/flag",
  validateSearch: only("when", "person", "by", "context", "at"),
  component: lazyRouteComponent(() => import("./form/edit.tsx"), "NewFlag"),
})

export const flags = [created, one]
