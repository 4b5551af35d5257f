import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

const all = createRoute({
  getParentRoute: () => root,
  path: "/destinations",
  validateSearch: only("q"),
  component: lazyRouteComponent(() => import("./list.tsx"), "DestinationsPage"),
})

const created = createRoute({
  getParentRoute: () => root,
  path: "/destinations/new",
  component: lazyRouteComponent(() => import("./form/edit.tsx"), "NewDestination"),
})

const one = createRoute({
  getParentRoute: () => root,
  path: "/destinations/$name",
  validateSearch: only("tab", "edit", "failed", "attempt", "message", "type", "person"),
  component: lazyRouteComponent(() => import("./page.tsx"), "DestinationPage"),
})

export const delivery = [all, created, one]
