/** Paths, turned into a Sankey: a column of labels for each place of a path, and ribbons between neighbours. */
import type { PathLink } from "../../lib/api.ts"
import type { Cell } from "../query/question.ts"

export interface Node {
  /** Of the column, from 0. */
  column: number
  /** Nothing for links that are not shown one by one. */
  label: string
  kind: "label" | "end" | "other"
  sessions: number
  x: number
  y: number
  height: number
}

export interface Ribbon {
  link: PathLink
  source: Node
  target: Node
  /** The middle of either end, and how thick it is. */
  sourceY: number
  targetY: number
  thickness: number
}

export interface Sankey {
  columns: number
  nodes: Node[]
  ribbons: Ribbon[]
  height: number
}

export interface Size {
  columnWidth: number
  /** Pixels for all sessions of the fullest column. */
  fullest: number
  nodeWidth: number
  gap: number
  least: number
}

const keyOf = (column: number, kind: Node["kind"], label: string) => `${column} ${kind} ${label}`

/**
 * Lay out the links of an answer.
 *
 * Laws: a node is as high as the sessions through it; the ends of its ribbons lie within it and do not overlap.
 * With `backwards` the first step stands at the right, since such paths are read from their end.
 */
export function sankeyOf(links: PathLink[], backwards: boolean, size: Size): Sankey {
  const shown = links.filter((link) => link.sessions > 0)
  const columns = Math.max(0, ...shown.map(({ step }) => step)) + 1
  const place = (column: number) => (backwards ? columns - 1 - column : column)
  const nodes = new Map<string, Node & { into: number; out: number }>()

  function nodeOf(column: number, kind: Node["kind"], label: string) {
    const key = keyOf(column, kind, label)
    let node = nodes.get(key)
    if (!node) {
      node = { column, label, kind, sessions: 0, x: place(column) * size.columnWidth, y: 0, height: 0, into: 0, out: 0 }
      nodes.set(key, node)
    }
    return node
  }

  const ends = shown.map((link) => {
    const source = link.other ? nodeOf(link.step - 1, "other", "") : nodeOf(link.step - 1, "label", link.source)
    const target = link.other
      ? nodeOf(link.step, "other", "")
      : link.target === null
        ? nodeOf(link.step, "end", "")
        : nodeOf(link.step, "label", link.target)
    source.out += link.sessions
    target.into += link.sessions
    return { link, source, target }
  })
  for (const node of nodes.values()) node.sessions = Math.max(node.into, node.out)

  const byColumn = Array.from({ length: columns }, (_, column) =>
    [...nodes.values()].filter((node) => node.column === column).sort(orderOfNodes),
  )
  const fullest = Math.max(1, ...byColumn.map((column) => sum(column.map(({ sessions }) => sessions))))
  const scale = size.fullest / fullest
  let height = 0
  for (const column of byColumn) {
    let y = 0
    for (const node of column) {
      node.y = y
      node.height = Math.max(size.least, node.sessions * scale)
      y += node.height + size.gap
    }
    height = Math.max(height, y - size.gap)
  }

  const left = new Map<Node, number>()
  const right = new Map<Node, number>()
  const taken = (side: Map<Node, number>, node: Node, thickness: number) => {
    const at = side.get(node) ?? 0
    side.set(node, at + thickness)
    return node.y + at + thickness / 2
  }
  const sorted = [...ends].sort((a, b) => a.source.y - b.source.y || a.target.y - b.target.y)
  const targets = new Map<PathLink, number>()
  for (const { link, target } of [...ends].sort((a, b) => a.target.y - b.target.y || a.source.y - b.source.y)) {
    targets.set(link, taken(left, target, link.sessions * scale))
  }
  const ribbons = sorted.map(({ link, source, target }) => {
    const thickness = link.sessions * scale
    return {
      link,
      source,
      target,
      sourceY: taken(right, source, thickness),
      targetY: targets.get(link) ?? 0,
      thickness: Math.max(1, thickness),
    }
  })
  return { columns, nodes: [...nodes.values()], ribbons, height }
}

/** The most used first, then what is not shown, then the end. */
function orderOfNodes(a: Node, b: Node): number {
  const rank = { label: 0, other: 1, end: 2 }
  return rank[a.kind] - rank[b.kind] || b.sessions - a.sessions || (a.label < b.label ? -1 : 1)
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, n) => total + n, 0)
}

/** The ribbon's outline, as a path of SVG. */
export function outline(ribbon: Ribbon, nodeWidth: number): string {
  const forwards = ribbon.target.x > ribbon.source.x
  const from = forwards ? ribbon.source.x + nodeWidth : ribbon.source.x
  const to = forwards ? ribbon.target.x : ribbon.target.x + nodeWidth
  const middle = (from + to) / 2
  const half = ribbon.thickness / 2
  const [a, b] = [ribbon.sourceY, ribbon.targetY]
  return (
    `M${from},${a - half}C${middle},${a - half} ${middle},${b - half} ${to},${b - half}` +
    `L${to},${b + half}C${middle},${b + half} ${middle},${a + half} ${from},${a + half}Z`
  )
}

/** A link in words: cart → purchase. */
export function linkName(link: PathLink, backwards: boolean): string {
  if (link.other) return "all other links of this step"
  const target = link.target ?? (backwards ? "the start of the session" : "the end of the session")
  return backwards ? `${target} → ${link.source}` : `${link.source} → ${target}`
}

/** The number of a link. */
export function cellOf({ step, source, target, other }: PathLink): Cell<"paths"> {
  return other ? { kind: "paths", step, other } : { kind: "paths", step, source, target }
}

/** Who is behind a number of paths. */
export function titleOf(cell: Cell<"paths">, backwards: boolean): string {
  const { step, source = "", target = null, other } = cell
  if (!step) return "With any path"
  return `Step ${step}: ${linkName({ step, source, target, other, sessions: 0 }, backwards)}`
}
