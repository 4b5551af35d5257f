import { createRoute } from "@tanstack/react-router"
import { only, root } from "../root.tsx"
import { DefinitionPage } from "./definition.tsx"
import { KINDS, type Kind } from "./kinds.ts"
import { DefinitionList } from "./list.tsx"

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
  return [list, one]
}

export const definitions = KINDS.flatMap(pagesOf)
