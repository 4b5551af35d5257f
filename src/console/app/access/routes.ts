import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"

const keys = createRoute({
  getParentRoute: () => root,
  path: "/keys",
  validateSearch: only("q", "show", "key"),
  component: lazyRouteComponent(() => import("./keys.tsx"), "KeysPage"),
})

export const access = [keys]
