/** A dashboard's tiles, and changes of them. A list is never changed: each change is a new one. */
import type { Tile } from "../lib/api.ts"

export const WIDTHS = [
  { value: 3, title: "A quarter" },
  { value: 4, title: "A third" },
  { value: 6, title: "Half" },
  { value: 8, title: "Two thirds" },
  { value: 9, title: "Three quarters" },
  { value: 12, title: "Whole width" },
] as const

export const HEIGHTS = [
  { value: 1, title: "1 row" },
  { value: 2, title: "2 rows" },
  { value: 3, title: "3 rows" },
  { value: 4, title: "4 rows" },
  { value: 6, title: "6 rows" },
  { value: 8, title: "8 rows" },
] as const

/** What a tile has that does not say. */
const USUAL = { width: 6, height: 4 }
const MOST = { width: 12, height: 24 }
/** A row with the gap below it, as dashboards.css has them. */
const ROW_PIXELS = 72
const GAP_PIXELS = 16

export function widthOf(tile: Tile): number {
  return tile.width ?? USUAL.width
}

export function heightOf(tile: Tile): number {
  return tile.height ?? USUAL.height
}

export function pixelsOf(tile: Tile): number {
  return heightOf(tile) * ROW_PIXELS - GAP_PIXELS
}

/** What a tile is called while its report is not known. */
export function nameOf(tile: Tile): string {
  return tile.title || tile.report || (tile.text ? "Text" : "Question")
}

/** What stays the same while a tile is moved and resized, a second one of the same content told apart. */
export function idsOf(tiles: Tile[]): string[] {
  const seen = new Map<string, number>()
  return tiles.map(({ width: _, height: __, ...content }) => {
    const text = JSON.stringify(content)
    const times = (seen.get(text) ?? 0) + 1
    seen.set(text, times)
    return `${times} ${text}`
  })
}

/** The tile at `from` at the place `to`. */
export function moved(tiles: Tile[], from: number, to: number): Tile[] {
  const next = [...tiles]
  const [tile] = next.splice(from, 1)
  if (tile) next.splice(Math.max(0, Math.min(next.length, to)), 0, tile)
  return next
}

export function changed(tiles: Tile[], at: number, fields: Partial<Tile>): Tile[] {
  return tiles.map((tile, index) => (index === at ? { ...tile, ...fields } : tile))
}

/** Wider or higher by so many columns or rows, within what a dashboard takes. */
export function resized(tiles: Tile[], at: number, columns: number, rows: number): Tile[] {
  const tile = tiles[at]
  if (!tile) return tiles
  const width = Math.max(1, Math.min(MOST.width, widthOf(tile) + columns))
  const height = Math.max(1, Math.min(MOST.height, heightOf(tile) + rows))
  return changed(tiles, at, { width, height })
}

/** The form in which the server keeps a tile: without what is the default anyway. */
export function shortest(tile: Tile): Tile {
  const { title, report, question, text, width, height } = tile
  return {
    ...(title ? { title } : {}),
    ...(report ? { report } : {}),
    ...(question ? { question } : {}),
    ...(text ? { text } : {}),
    ...(width === undefined || width === USUAL.width ? {} : { width }),
    ...(height === undefined || height === USUAL.height ? {} : { height }),
  }
}
