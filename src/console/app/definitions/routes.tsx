import { createRoute, lazyRouteComponent } from "@tanstack/react-router"
import { only, root } from "../root.tsx"
import { KINDS, type Kind } from "./kinds.ts"
import { DefinitionList } from "./list.tsx"

function listOf(kind: Kind) {
  return createRoute({
    getParentRoute: () => root,
    path: `/${kind}`,
    validateSearch: only("q"),
    component: () => <DefinitionList kind={kind} />,
  })
}

const OF_EDITOR = ["edit", "view", "person", "by", "at"] as const
/** Of the members and the history of a segment. */
const OF_SEGMENT = ["tab", "q", "order", "row", "bucket", "kind", "cause"] as const

/** The pages of a kind that is one expression; flags have pages of their own. */
function pagesOf(kind: "traits" | "segments", one: "TraitPage" | "SegmentPage", created: "NewTrait" | "NewSegment") {
  return [
    createRoute({
      getParentRoute: () => root,
      path: `/new/${kind === "traits" ? "trait" : "segment"}`,
      validateSearch: only("expression", "view", "person", "by", "at"),
      component: lazyRouteComponent(() => import("../editor/page.tsx"), created),
    }),
    createRoute({
      getParentRoute: () => root,
      path: `/${kind}/$name`,
      validateSearch: only(...OF_EDITOR, ...OF_SEGMENT),
      component: lazyRouteComponent(() => import("./definition.tsx"), one),
    }),
  ]
}

export const definitions = [
  ...KINDS.map(listOf),
  ...pagesOf("traits", "TraitPage", "NewTrait"),
  ...pagesOf("segments", "SegmentPage", "NewSegment"),
]
