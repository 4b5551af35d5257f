import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

const imports = createRoute({
  getParentRoute: () => root,
  path: "/imports",
  validateSearch: only("import", "new"),
  component: lazyRouteComponent(() => import("./imports.tsx"), "ImportsPage"),
})

const exports = createRoute({
  getParentRoute: () => root,
  path: "/exports",
  validateSearch: only("q", "event", "last", "before", "new", "schedule"),
  component: lazyRouteComponent(() => import("./exports.tsx"), "ExportsPage"),
})

export const transfer = [imports, exports]
