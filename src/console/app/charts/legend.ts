/** Where the names of a legend stand in a drawing: in rows that are as wide as it. */

const CHARACTER = 6.3
const KEY = 16
const GAP = 18
export const LEGEND_ROW = 20

export interface LegendPlace {
  x: number
  y: number
}

/** The place of each name, and the height of all rows. */
export function legendOf(names: string[], width: number): { places: LegendPlace[]; height: number } {
  const places: LegendPlace[] = []
  let [x, y] = [0, 0]
  for (const name of names) {
    const own = KEY + name.length * CHARACTER
    if (x > 0 && x + own > width) [x, y] = [0, y + LEGEND_ROW]
    places.push({ x, y })
    x += own + GAP
  }
  return { places, height: names.length ? y + LEGEND_ROW : 0 }
}

/** A name that has room; the whole one is in a title. */
export function fitting(name: string, width: number): string {
  const most = Math.max(1, Math.floor(width / CHARACTER))
  return name.length > most ? `${name.slice(0, Math.max(1, most - 1))}…` : name
}
