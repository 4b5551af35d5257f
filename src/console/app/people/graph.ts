/** How the identifiers of a person hang together, as a list that reads as a graph. */
import type { GraphEdge, GraphNode, IdentityGraph } from "../lib/api.ts"

/** An identifier with those that it claims. */
export interface Branch {
  node: GraphNode
  /** The statement by which the one above claims it; null at the top. */
  by: GraphEdge | null
  /** Links of other kinds that begin or end here. */
  others: Link[]
  claims: Branch[]
}

export interface Link {
  edge: GraphEdge
  other: GraphNode
}

/**
 * The identifiers at the top, with what they claim below them.
 *
 * Laws: each identifier of the person is there once. One of another person is only at the other end of a link.
 */
export function branchesOf({ nodes, edges }: Pick<IdentityGraph, "nodes" | "edges">): Branch[] {
  const known = new Map(nodes.map((node) => [node.id, node]))
  const inside = nodes.filter(({ outside }) => !outside)
  const holds = edges.filter((edge) => isClaim(edge) && isInside(known, edge.from) && isInside(known, edge.to))
  const above = new Map(holds.map((edge) => [edge.to, edge]))
  const placed = new Set<string>()

  function branch(node: GraphNode, by: GraphEdge | null): Branch {
    placed.add(node.id)
    const claims: Branch[] = []
    for (const edge of holds) {
      const claimed = known.get(edge.to)
      if (edge.from === node.id && claimed && above.get(claimed.id) === edge && !placed.has(claimed.id))
        claims.push(branch(claimed, edge))
    }
    return { node, by, others: linksOf(node), claims }
  }

  function linksOf(node: GraphNode): Link[] {
    return edges.flatMap((edge) => {
      if (above.get(edge.to) === edge) return []
      const id = edge.from === node.id ? edge.to : edge.to === node.id ? edge.from : undefined
      const other = id === undefined ? undefined : known.get(id)
      // Between two of the person, a link is told where it begins.
      return other && (edge.from === node.id || other.outside) ? [{ edge, other }] : []
    })
  }

  const top = inside.filter(({ id }) => !above.has(id)).map((node) => branch(node, null))
  const rest = inside.flatMap((node) => (placed.has(node.id) ? [] : [branch(node, null)]))
  return [...top, ...rest]
}

function isClaim({ kind, state }: GraphEdge): boolean {
  return kind === "claim" && state === "holds"
}

function isInside(known: Map<string, GraphNode>, id: string): boolean {
  return known.get(id)?.outside === false
}

/** What a link says, seen from the identifier that has it: "kept apart from", "claimed by", … */
export function relationOf({ edge, other }: Link): string {
  const begins = edge.to === other.id
  if (edge.state === "apart") return "kept apart from"
  if (edge.kind === "join") return edge.messageId === null ? "joined by hand with" : "joined by an alias call with"
  if (edge.state === "beaten") return begins ? "claims, after another, " : "claimed too late by"
  return begins ? "claims" : "claimed by"
}
