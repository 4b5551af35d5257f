/** The tiles beside each other; while they are edited, each with what changes it. */
import { type DragEvent, useLayoutEffect, useRef, useState } from "react"
import type { Texts } from "../insights/query/flat.ts"
import type { OfKind } from "../insights/query/question.ts"
import type { Tile } from "../lib/api.ts"
import { TileView } from "./tile.tsx"
import { kindOf, TileForm } from "./tile_form.tsx"
import { changed, heightOf, idsOf, moved, nameOf, resized, widthOf } from "./tiles.ts"
import { TileTools } from "./tools.tsx"

export function Grid(props: {
  tiles: Tile[]
  last?: string
  /** The tile of whose numbers one is looked at, with that number; and what looks at one. */
  cell?: { tile: number; texts: Texts }
  show?: (tile: number, cell: OfKind | undefined) => void
  /** What the server has against each tile. */
  problemOf?: (at: number) => string
  /** Takes the changed tiles, if they are edited. */
  onChange?: (tiles: Tile[]) => void
}) {
  const { tiles, onChange } = props
  const ids = idsOf(tiles)
  const place = useRef<HTMLDivElement>(null)
  const [dragged, setDragged] = useState<number>()
  const [over, setOver] = useState<{ at: number; after: boolean }>()
  const [edited, setEdited] = useState<number>()
  const [heard, setHeard] = useState("")
  /** The tile whose grip has the focus again after it moved. */
  const held = useRef<string>(undefined)

  // biome-ignore lint/correctness/useExhaustiveDependencies: a tile that moves loses the focus
  useLayoutEffect(() => {
    if (held.current === undefined) return
    const grips = place.current?.querySelectorAll<HTMLElement>("[data-grip]") ?? []
    const grip = [...grips].find(({ dataset }) => dataset.grip === held.current)
    grip?.focus()
    grip?.closest(".tile")?.scrollIntoView({ block: "nearest" })
    held.current = undefined
  }, [tiles])

  function move(from: number, to: number, keep: boolean): void {
    const next = moved(tiles, from, to)
    const tile = tiles[from]
    if (!tile || to < 0 || to >= tiles.length || to === from) return
    if (keep) held.current = ids[from]
    setHeard(`${nameOf(tile)}: place ${to + 1} of ${tiles.length}`)
    onChange?.(next)
  }

  function resize(at: number, columns: number, rows: number): void {
    const next = resized(tiles, at, columns, rows)
    const tile = next[at]
    if (!tile) return
    setHeard(`${nameOf(tile)}: ${widthOf(tile)} of 12 columns, ${heightOf(tile)} rows`)
    onChange?.(next)
  }

  function hover(event: DragEvent<HTMLElement>, at: number): void {
    if (dragged === undefined) return
    event.preventDefault()
    const box = event.currentTarget.getBoundingClientRect()
    const after = event.clientX > box.left + box.width / 2
    if (over?.at !== at || over.after !== after) setOver({ at, after })
  }

  function drop(event: DragEvent<HTMLElement>): void {
    event.preventDefault()
    if (dragged !== undefined && over) {
      const before = over.after ? over.at + 1 : over.at
      move(dragged, before > dragged ? before - 1 : before, false)
    }
    setDragged(undefined)
    setOver(undefined)
  }

  const editedTile = edited === undefined ? undefined : tiles[edited]
  return (
    <div className="grid" ref={place}>
      {tiles.map((tile, at) => (
        <TileView
          key={ids[at]}
          tile={tile}
          last={props.last}
          cell={props.cell?.tile === at ? props.cell.texts : undefined}
          show={props.show && ((cell) => props.show?.(at, cell))}
          problem={props.problemOf?.(at) || undefined}
          drop={over?.at === at && dragged !== at ? (over.after ? "after" : "before") : undefined}
          onDragOver={onChange && ((event) => hover(event, at))}
          onDrop={onChange && drop}
          tools={
            onChange && (
              <TileTools
                tile={tile}
                id={ids[at] ?? ""}
                first={at === 0}
                last={at === tiles.length - 1}
                act={{
                  move: (by) => move(at, at + by, true),
                  resize: (columns, rows) => resize(at, columns, rows),
                  change: (fields) => onChange(changed(tiles, at, fields)),
                  edit: () => setEdited(at),
                  remove: () => onChange(tiles.toSpliced(at, 1)),
                }}
                onDragStart={(event) => {
                  event.dataTransfer.effectAllowed = "move"
                  event.dataTransfer.setData("text/plain", nameOf(tile))
                  const own = event.currentTarget.closest(".tile")
                  if (own) event.dataTransfer.setDragImage(own, 12, 12)
                  setDragged(at)
                }}
                onDragEnd={() => {
                  setDragged(undefined)
                  setOver(undefined)
                }}
              />
            )
          }
        />
      ))}
      {onChange && (
        <>
          <p className="hidden" id="grip-keys">
            Arrow keys move it, with Shift they resize it.
          </p>
          <p className="hidden" aria-live="polite">
            {heard}
          </p>
        </>
      )}
      {onChange && editedTile && edited !== undefined && (
        <TileForm
          kind={kindOf(editedTile)}
          tile={editedTile}
          onDone={(tile) => {
            onChange(tiles.with(edited, tile))
            setEdited(undefined)
          }}
          onClose={() => setEdited(undefined)}
        />
      )}
    </div>
  )
}
