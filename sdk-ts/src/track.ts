/**
 * Events alone: `@tinycdp/sdk/track`.
 *
 * @packageDocumentation
 */
import { createCore } from "./core"
import { trackerOf } from "./tracker"
import type { Backend, Tracker, TrackOptions } from "./types"

export type * from "./types"

/** Start sending events. */
export function createTracker(options: TrackOptions & Backend): Tracker {
  return trackerOf(options, createCore(options), () => {})
}
