import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

const list = createRoute({
  getParentRoute: () => root,
  path: "/changes",
  component: lazyRouteComponent(() => import("./list.tsx"), "ChangesPage"),
})

const one = createRoute({
  getParentRoute: () => root,
  path: "/changes/$revision",
  validateSearch: only("view"),
  component: lazyRouteComponent(() => import("./revision.tsx"), "RevisionPage"),
})

export const changes = [list, one]
