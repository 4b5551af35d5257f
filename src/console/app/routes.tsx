/** The addresses of the console. Whatever is looked at is in them, so a link shows the same to another person. */
import { createRootRoute, createRoute, createRouter, redirect } from "@tanstack/react-router"
import { DefinitionPage } from "./definitions/definition.tsx"
import { KINDS, type Kind } from "./definitions/kinds.ts"
import { DefinitionList } from "./definitions/list.tsx"
import { PeoplePage } from "./people/people.tsx"
import { PersonPage } from "./people/person.tsx"
import { NotFound, Shell } from "./shell/shell.tsx"

/** `?q=` of lists: what their rows are filtered by. */
function filter(search: Record<string, unknown>): { q?: string } {
  return search.q === undefined || search.q === "" ? {} : { q: String(search.q) }
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound })

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/segments", replace: true })
  },
})

function definitions(kind: Kind) {
  const list = createRoute({
    getParentRoute: () => root,
    path: `/${kind}`,
    validateSearch: filter,
    component: () => <DefinitionList kind={kind} />,
  })
  const one = createRoute({
    getParentRoute: () => root,
    path: `/${kind}/$name`,
    component: () => <DefinitionPage kind={kind} />,
  })
  return [list, one]
}

const people = createRoute({
  getParentRoute: () => root,
  path: "/users",
  validateSearch: filter,
  component: PeoplePage,
})

const person = createRoute({
  getParentRoute: () => root,
  path: "/users/$id",
  validateSearch: (search: Record<string, unknown>): { by?: string } =>
    search.by === undefined ? {} : { by: String(search.by) },
  component: PersonPage,
})

export const router = createRouter({
  routeTree: root.addChildren([home, people, person, ...KINDS.flatMap(definitions)]),
  defaultPreload: false,
  scrollRestoration: true,
  // `?q=12` is the text 12, not a number: what a person typed stays as it is.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const given = Object.entries(search).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]],
    )
    const text = new URLSearchParams(given).toString()
    return text && `?${text}`
  },
})
