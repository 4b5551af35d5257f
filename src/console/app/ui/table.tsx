import { type ReactNode, useEffect, useRef, useState } from "react"

/** Rows of cells. `ends`: the columns whose values stand at their right end; all but the first by default. */
export function Table(props: { heads: string[]; rows: ReactNode[][]; wide?: number[]; ends?: number[] }) {
  const classOf = (column: number) => {
    const end = props.ends ? props.ends.includes(column) : column > 0
    return [end && "end", props.wide?.includes(column) && "wide-only"].filter(Boolean).join(" ") || undefined
  }
  return (
    <TableFrame>
      <table>
        <thead>
          <tr>
            {props.heads.map((head, column) => (
              <th key={head} scope="col" className={classOf(column)}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((cells, row) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the rows are those of one answer, in its order
            <tr key={row}>
              {cells.map((cell, column) => (
                <td key={props.heads[column]} className={classOf(column)}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </TableFrame>
  )
}

/** What is wider than its place scrolls, and then has a place among the stops of the keyboard. */
export function TableFrame({ children }: { children: ReactNode }) {
  const frame = useRef<HTMLDivElement>(null)
  const [scrolls, setScrolls] = useState(false)
  useEffect(() => {
    const place = frame.current
    if (!place) return
    const watch = new ResizeObserver(() => setScrolls(place.scrollWidth > place.clientWidth))
    watch.observe(place)
    if (place.firstElementChild) watch.observe(place.firstElementChild)
    return () => watch.disconnect()
  }, [])
  return (
    <div className="table-frame" ref={frame} tabIndex={scrolls ? 0 : undefined}>
      {children}
    </div>
  )
}
