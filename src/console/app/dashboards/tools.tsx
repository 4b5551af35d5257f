/** What changes a tile: where it is, how large it is, what it shows. */
import { ArrowLeft, ArrowRight, GripVertical, Pencil, X } from "lucide-react"
import type { DragEvent, KeyboardEvent } from "react"
import type { Tile } from "../lib/api.ts"
import { HEIGHTS, heightOf, nameOf, WIDTHS, widthOf } from "./tiles.ts"

export interface TileActions {
  move: (by: number) => void
  resize: (columns: number, rows: number) => void
  change: (fields: Partial<Tile>) => void
  edit: () => void
  remove: () => void
}

/** Arrow keys at the grip move the tile, with Shift they resize it. */
const STEPS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
}

export function TileTools(props: {
  tile: Tile
  id: string
  first: boolean
  last: boolean
  act: TileActions
  onDragStart: (event: DragEvent<HTMLElement>) => void
  onDragEnd: () => void
}) {
  const { tile, act } = props
  const name = nameOf(tile)

  function onKey(event: KeyboardEvent): void {
    const step = STEPS[event.key]
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    if (event.shiftKey) act.resize(...step)
    else act.move(step[0] + step[1])
  }

  return (
    <div className="tile-tools">
      <button
        type="button"
        className="icon-button grip"
        draggable
        data-grip={props.id}
        aria-label={`Move or resize ${name}`}
        aria-describedby="grip-keys"
        title="Drag it, or press arrow keys; with Shift they resize it"
        onKeyDown={onKey}
        onDragStart={props.onDragStart}
        onDragEnd={props.onDragEnd}
      >
        <GripVertical aria-hidden="true" />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label={`${name} earlier`}
        disabled={props.first}
        onClick={() => act.move(-1)}
      >
        <ArrowLeft aria-hidden="true" />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label={`${name} later`}
        disabled={props.last}
        onClick={() => act.move(1)}
      >
        <ArrowRight aria-hidden="true" />
      </button>
      <select
        className="field"
        aria-label={`Width of ${name}`}
        value={widthOf(tile)}
        onChange={({ target }) => act.change({ width: Number(target.value) })}
      >
        {sizes(WIDTHS, widthOf(tile), (n) => `${n} of 12`)}
      </select>
      <select
        className="field"
        aria-label={`Height of ${name}`}
        value={heightOf(tile)}
        onChange={({ target }) => act.change({ height: Number(target.value) })}
      >
        {sizes(HEIGHTS, heightOf(tile), (n) => `${n} rows`)}
      </select>
      <button type="button" className="icon-button" aria-label={`Edit ${name}`} onClick={act.edit}>
        <Pencil aria-hidden="true" />
      </button>
      <button type="button" className="icon-button" aria-label={`Remove ${name}`} onClick={act.remove}>
        <X aria-hidden="true" />
      </button>
    </div>
  )
}

/** The usual sizes, and the one that it has. */
function sizes(usual: readonly { value: number; title: string }[], now: number, called: (n: number) => string) {
  const own = usual.some(({ value }) => value === now) ? [] : [{ value: now, title: called(now) }]
  return [...usual, ...own]
    .sort((a, b) => a.value - b.value)
    .map(({ value, title }) => (
      <option key={value} value={value}>
        {title}
      </option>
    ))
}
