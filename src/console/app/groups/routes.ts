import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { root } from "../root.tsx"

export const groups = [
  createRoute({
    getParentRoute: () => root,
    path: "/groups",
    component: lazyRouteComponent(() => import("./list.tsx"), "GroupsPage"),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/groups/$name",
    component: lazyRouteComponent(() => import("./group.tsx"), "GroupPage"),
  }),
]
