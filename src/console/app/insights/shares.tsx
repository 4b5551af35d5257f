/** Rows with a bar and a number each. */
import type { ReactNode } from "react"
import { count } from "../lib/format.ts"
import { percent } from "./figures.ts"

export interface ShareRow {
  name: string
  n: number
  /** In the place of the number, such as one that opens its people. */
  figure?: ReactNode
}

export function Shares({ rows, of, caption }: { rows: ShareRow[]; of: number; caption?: string }) {
  const most = Math.max(1, ...rows.map(({ n }) => n))
  return (
    <table className="shares">
      {caption && <caption>{caption}</caption>}
      <tbody>
        {rows.map(({ name, n, figure }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td className="shares-bar">
              <span style={{ width: `${(n / most) * 100}%` }} />
            </td>
            <td className="end">{figure ?? count(n)}</td>
            <td className="end mute">{percent(of ? n / of : null)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
