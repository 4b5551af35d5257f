/** One tile: it asks its question when it comes into view, not before. */
import { Link } from "@tanstack/react-router"
import { type CSSProperties, type ReactNode, type RefObject, Suspense, useEffect, useRef, useState } from "react"
import { AsOf } from "../insights/as_of.tsx"
import { PeopleDialog } from "../insights/people/behind.tsx"
import { useAnswer } from "../insights/query/answer.ts"
import { cellIn } from "../insights/query/cells.ts"
import type { Texts } from "../insights/query/flat.ts"
import { messageAt } from "../insights/query/paths.ts"
import { type OfKind, type Question, textsOf } from "../insights/query/question.ts"
import { useReport } from "../insights/saved/queries.ts"
import { pathOf } from "../insights/tabs.ts"
import type { Notice, Tile } from "../lib/api.ts"
import { Failed, Waiting } from "../ui/parts.tsx"
import { titleOfCell } from "./cells.ts"
import { TableView, useTable } from "./table.tsx"
import { Text } from "./text.tsx"
import { heightOf, nameOf, pixelsOf, widthOf } from "./tiles.ts"
import { VIEWS } from "./views.tsx"

/** How far below the window a tile may be when it begins to load. */
const EARLY = "200px"
/** What of a tile is not its answer: its frame, and its head. */
const AROUND_PIXELS = 68
const TOOLS_PIXELS = 28
const WARNING_PIXELS = 16

export interface TileProps {
  tile: Tile
  /** A range to look at, in place of that of its question: `30d`. */
  last?: string
  /** What the server has against it. */
  problem?: string
  /** What changes it, while the dashboard is edited. */
  tools?: ReactNode
  /** The number whose people are shown, and what shows them; not while the dashboard is edited. */
  cell?: Texts
  show?: (cell: OfKind | undefined) => void
  /** Something is dragged over it, and would come before or after it. */
  drop?: "before" | "after"
  onDragOver?: (event: React.DragEvent<HTMLElement>) => void
  onDrop?: (event: React.DragEvent<HTMLElement>) => void
}

export function TileView(props: TileProps) {
  const { tile } = props
  const [place, seen] = useSeen()
  const size = { "--columns": widthOf(tile), "--rows": heightOf(tile) } as CSSProperties
  return (
    <section
      className={tile.text ? "tile of-text" : "tile"}
      ref={place}
      aria-label={nameOf(tile)}
      style={size}
      data-drop={props.drop}
      onDragOver={props.onDragOver}
      onDrop={props.onDrop}
    >
      {props.tools}
      {props.problem && (
        <p className="tile-problem" role="alert">
          {props.problem}
        </p>
      )}
      {tile.text ? (
        <>
          {tile.title && <Head title={tile.title} />}
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
          <div className="tile-body" tabIndex={0}>
            <Text source={tile.text} />
          </div>
        </>
      ) : tile.report ? (
        <OfReport {...props} report={tile.report} seen={seen} />
      ) : (
        tile.question && <OfQuestion {...props} title={nameOf(tile)} question={tile.question as Question} seen={seen} />
      )}
    </section>
  )
}

function OfReport(props: TileProps & { report: string; seen: boolean }) {
  const { tile, report } = props
  const saved = useReport(props.seen ? report : "")
  const title = tile.title || saved.data?.name || report
  if (!saved.data) {
    return (
      <>
        <Head title={title} />
        <div className="tile-body">
          {saved.error ? <Failed problem={saved.error} retry={() => saved.refetch()} /> : <Waiting lines={4} />}
        </div>
      </>
    )
  }
  return <OfQuestion {...props} title={title} question={saved.data.document.question as Question} />
}

interface OfQuestionProps extends TileProps {
  title: string
  report?: string
  question: Question
  seen: boolean
}

function OfQuestion(props: OfQuestionProps) {
  const question = props.last ? inRange(props.question, props.last) : props.question
  return VIEWS[question.kind] ? (
    <WithView {...props} question={question} />
  ) : (
    <WithTable {...props} question={question} />
  )
}

/** The same question over the last days. */
function inRange<Q extends OfKind>(question: Q, last: string): Q {
  return { ...question, last, from: undefined, to: undefined }
}

function WithView(props: OfQuestionProps) {
  const { title, question } = props
  const answer = useAnswer(question, props.seen)
  const View = VIEWS[question.kind]
  const data = answer.data
  return (
    <>
      <Head title={<Open {...props} />}>
        {data && <AsOf answer={data} fetching={answer.isFetching} stale={answer.isPlaceholderData} />}
      </Head>
      <div className="tile-body">
        {answer.error && <Failed problem={answer.error} retry={() => answer.refetch()} />}
        {data && View ? (
          <div className="answer" data-stale={answer.error || answer.isPlaceholderData ? "" : undefined}>
            <Warnings of={data.warnings ?? []} />
            <Suspense fallback={<Waiting lines={5} />}>
              <View
                question={(data.question ? { ...data.question, kind: question.kind } : question) as OfKind}
                answer={data}
                title={title}
                height={heightFor(props, data.warnings?.length ?? 0)}
                cell={props.cell && cellIn(question.kind, props.cell)}
                show={props.show}
              />
            </Suspense>
          </div>
        ) : (
          !answer.error && <Waiting lines={5} />
        )}
      </div>
    </>
  )
}

function heightFor({ tile, tools }: TileProps, warnings: number): number {
  return pixelsOf(tile) - AROUND_PIXELS - WARNING_PIXELS * warnings - (tools ? TOOLS_PIXELS : 0)
}

function WithTable(props: OfQuestionProps) {
  const answer = useTable(props.question, props.seen)
  const data = answer.data
  const cell = props.cell && cellIn(props.question.kind, props.cell)
  return (
    <>
      <Head title={<Open {...props} />}>
        {data && <AsOf answer={data} fetching={answer.isFetching} stale={answer.isPlaceholderData} />}
      </Head>
      <div className="tile-body">
        {answer.error && <Failed problem={answer.error} retry={() => answer.refetch()} />}
        {data ? (
          <div className="answer" data-stale={answer.error || answer.isPlaceholderData ? "" : undefined}>
            <TableView of={data} label={props.title} kind={props.question.kind} show={props.show} />
          </div>
        ) : (
          !answer.error && <Waiting lines={5} />
        )}
      </div>
      {cell && props.show && (
        <PeopleDialog
          question={props.question}
          cell={cell}
          title={`${props.title}: ${titleOfCell(cell)}`}
          onClose={() => props.show?.(undefined)}
        />
      )}
    </>
  )
}

/** The title; it leads to the page of the question, if its kind has one. */
function Open(props: OfQuestionProps) {
  const path = pathOf(props.question)
  if (!path) return props.title
  const asked = props.tile.report && !props.last ? { report: props.tile.report } : textsOf(props.question)
  return (
    <Link to={path} search={asked as never}>
      {props.title}
    </Link>
  )
}

function Warnings({ of }: { of: Notice[] }) {
  return of.map((warning) => (
    <p key={warning.path + warning.message} className="tile-warning">
      {messageAt(warning)}
    </p>
  ))
}

function Head({ title, children }: { title: ReactNode; children?: ReactNode }) {
  return (
    <header>
      <h2>{title}</h2>
      {children}
    </header>
  )
}

/** Whether an element was ever in view. */
function useSeen(): [RefObject<HTMLElement | null>, boolean] {
  const place = useRef<HTMLElement>(null)
  const [seen, setSeen] = useState(false)
  useEffect(() => {
    if (!place.current || seen) return
    const watch = new IntersectionObserver(
      (entries) => entries.some(({ isIntersecting }) => isIntersecting) && setSeen(true),
      { rootMargin: EARLY },
    )
    watch.observe(place.current)
    return () => watch.disconnect()
  }, [seen])
  return [place, seen]
}
