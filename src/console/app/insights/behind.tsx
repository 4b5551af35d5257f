import { count, exactCount } from "../lib/format.ts"
import { PeopleNumber } from "./people/behind.tsx"
import type { Cell, Kind } from "./query/question.ts"

/** Opens the people behind a number. */
export type OpenPeople<K extends Kind> = (cell: Cell<K>) => void

/** A number of people, which opens them. There is nothing to open behind none. */
export function Behind<K extends Kind>(props: {
  n: number
  cell: Cell<K>
  /** Who these people are. */
  title: string
  /** Not while a dashboard is edited: there a number is only shown. */
  open?: OpenPeople<K>
  /** In the place of the number, such as its share. */
  text?: string
}) {
  const { n, cell, title, open, text = count(n) } = props
  if (!open || n === 0) return <span className={n === 0 ? "number mute" : "number"}>{text}</span>
  return (
    <PeopleNumber label={`${text}, ${title}`} onOpen={() => open(cell)}>
      <span className="number" title={`${title}: ${exactCount(n)}`}>
        {text}
      </span>
    </PeopleNumber>
  )
}
