import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

const all = createRoute({
  getParentRoute: () => root,
  path: "/audit",
  validateSearch: only("kind", "author", "from", "to"),
  component: lazyRouteComponent(() => import("./page.tsx"), "AuditPage"),
})

export const audit = [all]
