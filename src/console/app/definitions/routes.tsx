import { createRoute } from "@tanstack/react-router"
import { only, root } from "../root.tsx"
import { DefinitionPage } from "./definition.tsx"
import { KINDS, type Kind } from "./kinds.ts"
import { DefinitionList } from "./list.tsx"

/** The list of a kind, and the page of one; flags have pages of their own. */
function pagesOf(kind: Kind) {
  const list = createRoute({
    getParentRoute: () => root,
    path: `/${kind}`,
    validateSearch: only("q"),
    component: () => <DefinitionList kind={kind} />,
  })
  const one = createRoute({
    getParentRoute: () => root,
    path: `/${kind}/$name`,
    component: () => <DefinitionPage kind={kind} />,
  })
  return kind === "flags" ? [list] : [list, one]
}

export const definitions = KINDS.flatMap(pagesOf)
