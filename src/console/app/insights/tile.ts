import type { OfKind } from "./query/question.ts"

/** What the tile of each kind of question is given. */
export interface ViewProps {
  question: OfKind
  answer: OfKind
  title: string
  /** How high it may be without scrolling, in pixels. */
  height: number
}
