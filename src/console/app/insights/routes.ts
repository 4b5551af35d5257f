import { createRoute, lazyRouteComponent, redirect } from "@tanstack/react-router"
import { root } from "../root.tsx"

/** All parameters, as texts: questions have many, by path. */
export function texts(search: Record<string, unknown>): Record<string, string> {
  const given = Object.entries(search).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]))
}

const first = createRoute({
  getParentRoute: () => root,
  path: "/insights",
  beforeLoad: () => {
    throw redirect({ to: "/insights/trends", replace: true })
  },
})

const trends = createRoute({
  getParentRoute: () => root,
  path: "/insights/trends",
  validateSearch: texts,
  component: lazyRouteComponent(() => import("./trends/page.tsx"), "TrendsPage"),
})

const funnels = createRoute({
  getParentRoute: () => root,
  path: "/insights/funnels",
  validateSearch: texts,
  component: lazyRouteComponent(() => import("./funnels/page.tsx"), "FunnelsPage"),
})

const retention = createRoute({
  getParentRoute: () => root,
  path: "/insights/retention",
  validateSearch: texts,
  component: lazyRouteComponent(() => import("./retention/page.tsx"), "RetentionPage"),
})

const lifecycle = createRoute({
  getParentRoute: () => root,
  path: "/insights/lifecycle",
  validateSearch: texts,
  component: lazyRouteComponent(() => import("./lifecycle/page.tsx"), "LifecyclePage"),
})

const stickiness = createRoute({
  getParentRoute: () => root,
  path: "/insights/stickiness",
  validateSearch: texts,
  component: lazyRouteComponent(() => import("./stickiness/page.tsx"), "StickinessPage"),
})

const paths = createRoute({
  getParentRoute: () => root,
  path: "/insights/paths",
  validateSearch: texts,
  component: lazyRouteComponent(() => import("./paths/page.tsx"), "PathsPage"),
})

const saved = createRoute({
  getParentRoute: () => root,
  path: "/insights/saved",
  component: lazyRouteComponent(() => import("./saved/page.tsx"), "SavedPage"),
})

export const insights = [first, trends, funnels, retention, lifecycle, stickiness, paths, saved]
