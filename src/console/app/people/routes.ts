import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

const list = createRoute({
  getParentRoute: () => root,
  path: "/users",
  validateSearch: only("q", "after", "row"),
  component: lazyRouteComponent(() => import("./people.tsx"), "PeoplePage"),
})

const one = createRoute({
  getParentRoute: () => root,
  path: "/users/$id",
  validateSearch: only("by", "tab", "why", "at", "event", "kind", "from", "to", "of"),
  component: lazyRouteComponent(() => import("./person.tsx"), "PersonPage"),
})

export const people = [list, one]
