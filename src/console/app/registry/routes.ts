import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

const list = createRoute({
  getParentRoute: () => root,
  path: "/registry",
  validateSearch: only("q", "view", "state"),
  component: lazyRouteComponent(() => import("./list.tsx"), "RegistryPage"),
})

const one = createRoute({
  getParentRoute: () => root,
  path: "/registry/$name",
  validateSearch: only("property", "plan"),
  component: lazyRouteComponent(() => import("./event.tsx"), "EventPage"),
})

export const registry = [list, one]
