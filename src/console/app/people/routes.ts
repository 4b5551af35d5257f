import { createRoute } from "@tanstack/react-router"
import { only, root } from "../root.tsx"
import { PeoplePage } from "./people.tsx"
import { PersonPage } from "./person.tsx"

const list = createRoute({
  getParentRoute: () => root,
  path: "/users",
  validateSearch: only("q"),
  component: PeoplePage,
})

const one = createRoute({
  getParentRoute: () => root,
  path: "/users/$id",
  validateSearch: only("by"),
  component: PersonPage,
})

export const people = [list, one]
