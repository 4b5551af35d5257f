/** What tiles of a dashboard have in common: an answer, and the people behind the number that was pressed. */
import type { ComponentType } from "react"
import type { OpenPeople } from "./behind.tsx"
import { PeopleDialog } from "./people/behind.tsx"
import type { Answer, Cell, Kind, OfKind, Question } from "./query/question.ts"

/** What the tile of each kind of question is given. */
export interface ViewProps {
  question: OfKind
  answer: OfKind
  title: string
  /** How high it may be without scrolling, in pixels. */
  height: number
  /** The number whose people are shown. */
  cell?: OfKind
  /** Shows the people behind a number, or none. Not while the dashboard is edited. */
  show?: (cell: OfKind | undefined) => void
}

/** The same, of one kind. */
export interface TileProps<K extends Kind> {
  question: Question<K>
  answer: Answer<K>
  title: string
  height: number
  open?: OpenPeople<K>
}

/** A tile that shows an answer so. `titleOf` says which number the dialog of people is about. */
export function tileOf<K extends Kind>(
  View: ComponentType<TileProps<K>>,
  titleOf: (cell: Cell<K>, answer: Answer<K>, question: Question<K>) => string,
): ComponentType<ViewProps> {
  return function Tile({ question: asked, answer: given, title, height, cell, show }) {
    const question = asked as Question<K>
    const answer = given as Answer<K>
    return (
      <>
        <View question={question} answer={answer} title={title} height={height} open={show} />
        {cell && show && (
          <PeopleDialog
            question={question}
            cell={cell as Cell<K>}
            title={`${title}: ${titleOf(cell as Cell<K>, answer, question)}`}
            onClose={() => show(undefined)}
          />
        )}
      </>
    )
  }
}
