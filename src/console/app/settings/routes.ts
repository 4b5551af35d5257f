import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { root } from "../root.tsx"

const all = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  component: lazyRouteComponent(() => import("./settings.tsx"), "SettingsPage"),
})

const one = createRoute({
  getParentRoute: () => root,
  path: "/settings/$name",
  component: lazyRouteComponent(() => import("./policy.tsx"), "PolicyPage"),
})

export const settings = [all, one]
