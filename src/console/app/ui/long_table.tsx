/** A table of so many rows that only those are made where one looks. */
import { useVirtualizer, type VirtualItem } from "@tanstack/react-virtual"
import { type KeyboardEvent, type ReactNode, type RefObject, useEffect, useRef } from "react"
import { useRested } from "../lib/rested.ts"
import "./long_table.css"

/** Every row has this height: that is how its place is known. */
const ROW_PIXELS = 36
/** Rows beyond what is seen, at either end. */
const BEYOND = 8
/** Browsers draw nothing that is much higher than these rows. */
export const MOST_ROWS = 800_000
const KEEP_PLACE_MS = 300

export interface Long {
  frame: RefObject<HTMLDivElement | null>
  /** The rows that are made. */
  items: VirtualItem[]
  rows: number
  onKey: (event: KeyboardEvent) => void
}

/** Where one looks in so many rows. `onPlace` is told the row at the top once it stays there; `first` is there at first. */
export function useLong(props: { rows: number; first: number; onPlace: (at: number) => void }): Long {
  const { first, onPlace } = props
  const rows = Math.min(props.rows, MOST_ROWS)
  const frame = useRef<HTMLDivElement>(null)
  const list = useVirtualizer({
    count: rows,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW_PIXELS,
    overscan: BEYOND,
    // The rows may come later than this: the frame is then made with them.
    initialOffset: Math.min(first, MOST_ROWS) * ROW_PIXELS,
  })
  const items = list.getVirtualItems()
  // Before the frame is there, no row is at its top.
  const top = items.find(({ end }) => end > (list.scrollOffset ?? 0))?.index ?? first
  const rested = useRested(top, KEEP_PLACE_MS)
  const told = useRef(first)
  useEffect(() => {
    if (rested === told.current) return
    told.current = rested
    onPlace(rested)
  }, [rested, onPlace])

  /** The row that the keyboard went to has the focus as soon as it is there: rows come with scrolling and with answers. */
  const waits = useRef<number>(undefined)
  useEffect(() => {
    if (waits.current === undefined) return
    const link = frame.current?.querySelector<HTMLElement>(`[data-index="${waits.current}"] a`)
    if (!link) return
    link.focus({ preventScroll: true })
    waits.current = undefined
  })

  function onKey(event: KeyboardEvent): void {
    const focused = Number((event.target as HTMLElement).closest<HTMLElement>("[data-index]")?.dataset.index ?? top)
    const seen = Math.max(1, Math.floor((frame.current?.clientHeight ?? ROW_PIXELS) / ROW_PIXELS) - 1)
    const steps: Record<string, number> = {
      ArrowDown: focused + 1,
      ArrowUp: focused - 1,
      PageDown: focused + seen,
      PageUp: focused - seen,
      Home: 0,
      End: rows - 1,
    }
    const to = steps[event.key]
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey || rows === 0) return
    event.preventDefault()
    const at = Math.max(0, Math.min(rows - 1, to))
    waits.current = at
    list.scrollToIndex(at)
    frame.current?.querySelector<HTMLElement>(`[data-index="${at}"] a`)?.focus({ preventScroll: true })
  }

  return { frame, items, rows, onKey }
}

/** The table. `total` is how many rows there are in all; nothing if that is not known. */
export function LongTable(props: {
  of: Long
  label: string
  total?: number
  /** The cells of its head. */
  head: ReactNode
  className?: string
  /** The cells of a row; nothing while it is on its way. */
  children: (index: number) => ReactNode
}) {
  const { of, label, total, head, className = "", children } = props
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section className="long-frame" ref={of.frame} tabIndex={0} onKeyDown={of.onKey} aria-label={label}>
      <table className={`long ${className}`} aria-rowcount={total === undefined ? -1 : total + 1}>
        <thead>
          <tr aria-rowindex={1}>{head}</tr>
        </thead>
        <tbody>
          <Space rows={of.items[0]?.index ?? 0} />
          {of.items.map(({ index }) => (
            <tr key={index} aria-rowindex={index + 2} data-index={index}>
              {children(index) ?? (
                <td>
                  <Coming />
                </td>
              )}
            </tr>
          ))}
          <Space rows={of.rows - 1 - (of.items.at(-1)?.index ?? -1)} />
        </tbody>
      </table>
    </section>
  )
}

/** In the place of what is on its way. */
export function Coming() {
  return (
    <span className="long-waiting">
      <span className="hidden">Loading</span>
    </span>
  )
}

/** The room of rows that are not made. */
function Space({ rows }: { rows: number }) {
  if (rows <= 0) return null
  return (
    <tr className="long-space">
      <td style={{ height: rows * ROW_PIXELS }} />
    </tr>
  )
}
