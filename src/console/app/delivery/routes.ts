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

const syncs = createRoute({
  getParentRoute: () => root,
  path: "/syncs",
  validateSearch: only("q"),
  component: lazyRouteComponent(() => import("./syncs/list.tsx"), "SyncsPage"),
})

const newSync = createRoute({
  getParentRoute: () => root,
  path: "/syncs/new",
  validateSearch: only("destination"),
  component: lazyRouteComponent(() => import("./syncs/edit.tsx"), "NewSync"),
})

const sync = createRoute({
  getParentRoute: () => root,
  path: "/syncs/$name",
  validateSearch: only("tab", "edit", "state"),
  component: lazyRouteComponent(() => import("./syncs/page.tsx"), "SyncPage"),
})

export const delivery = [all, created, one, syncs, newSync, sync]
