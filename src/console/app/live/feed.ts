/**
 * What the live page lists: the newest first.
 *
 * Laws    while it is held nothing that is shown moves: what arrives waits, and comes in order when it goes on
 *         what is let go because there is no room is counted
 */
import type { Message, ShownTransition } from "../lib/message.ts"

export const MOST_SHOWN = 500
export const MOST_WAITING = 5_000

export type Line = Message | ShownTransition

export interface Entry {
  id: number
  line: Line
}

export function isTransition(line: Line): line is ShownTransition {
  return "recordedAt" in line
}

export interface Feed {
  shown: Entry[]
  waiting: Entry[]
  held: boolean
  /** How many that waited had no room. */
  lost: number
  nextId: number
}

export const EMPTY: Feed = { shown: [], waiting: [], held: false, lost: 0, nextId: 1 }

/** The feed with these lines, the oldest of them first. */
export function arrived(feed: Feed, lines: Line[]): Feed {
  const fresh = lines.map((line, index) => ({ id: feed.nextId + index, line })).reverse()
  const nextId = feed.nextId + fresh.length
  if (!feed.held) return { ...feed, shown: [...fresh, ...feed.shown].slice(0, MOST_SHOWN), nextId }
  const waiting = [...fresh, ...feed.waiting]
  const over = Math.max(0, waiting.length - MOST_WAITING)
  return { ...feed, waiting: waiting.slice(0, MOST_WAITING), lost: feed.lost + over, nextId }
}

export function hold(feed: Feed): Feed {
  return { ...feed, held: true }
}

/** What waited is shown. It stays held if it was. */
export function show(feed: Feed): Feed {
  const shown = [...feed.waiting, ...feed.shown].slice(0, Math.max(MOST_SHOWN, feed.waiting.length))
  return { ...feed, shown, waiting: [], lost: 0 }
}

export function goOn(feed: Feed): Feed {
  return { ...show(feed), held: false }
}
