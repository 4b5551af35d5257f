import type { Kind } from "./query/question.ts"

/** The kinds of questions that have a page, in the order of their tabs. */
export const TABS: { path: string; title: string; kind: Kind }[] = [
  { path: "/insights/trends", title: "Trends", kind: "trend" },
  { path: "/insights/funnels", title: "Funnels", kind: "funnel" },
  { path: "/insights/retention", title: "Retention", kind: "retention" },
  { path: "/insights/lifecycle", title: "Lifecycle", kind: "lifecycle" },
  { path: "/insights/stickiness", title: "Stickiness", kind: "stickiness" },
  { path: "/insights/paths", title: "Paths", kind: "paths" },
]

/** The address of the page for questions of a kind; nothing if there is none. */
export function pathOf(kind: Kind): string | undefined {
  return TABS.find((tab) => tab.kind === kind)?.path
}
