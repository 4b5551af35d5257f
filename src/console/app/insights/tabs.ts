import type { Kind, OfKind } from "./query/question.ts"

/** The kinds of questions that have a page, in the order of their tabs. */
export const TABS: { path: string; title: string; kind: Kind }[] = [
  { path: "/insights/trends", title: "Trends", kind: "trend" },
  { path: "/insights/funnels", title: "Funnels", kind: "funnel" },
  { path: "/insights/retention", title: "Retention", kind: "retention" },
  { path: "/insights/lifecycle", title: "Lifecycle", kind: "lifecycle" },
  { path: "/insights/stickiness", title: "Stickiness", kind: "stickiness" },
  { path: "/insights/paths", title: "Paths", kind: "paths" },
]

/** The address of the page for a question; nothing if its kind has none. That of an experiment is of its flag. */
export function pathOf(question: OfKind & { flag?: string }): string | undefined {
  if (question.kind === "experiment") return question.flag && `/experiments/${encodeURIComponent(question.flag)}`
  return TABS.find((tab) => tab.kind === question.kind)?.path
}
