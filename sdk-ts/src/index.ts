/**
 * Events and flags in one.
 *
 * @packageDocumentation
 */
import { createCore } from "./core"
import { inBrowser } from "./host"
import { type Expose, pageFlags } from "./page_flags"
import { type ExposeFor, serverFlags } from "./server_flags"
import { type InnerTracker, trackerOf } from "./tracker"
import type { CallOptions, TinyCDP, TinyCDPOptions } from "./types"

export type * from "./types"

/** Most exposures that a server remembers to have sent. */
const MOST_EXPOSURES = 10_000

/** Reports what a server decided by itself: once a day for each profile, flag, variant and rule. */
function exposures(tracker: InnerTracker): ExposeFor {
  let sent = new Set<string>()
  let day = ""
  return ({ userId, anonymousId }, flag, variant, rule) => {
    const today = new Date().toISOString().slice(0, 10)
    if (today !== day || sent.size >= MOST_EXPOSURES) sent = new Set()
    day = today
    const profile = { ...(userId ? { userId } : { anonymousId }) } as CallOptions
    const mark = JSON.stringify([profile, flag, variant, rule])
    if (sent.has(mark) || !(userId ?? anonymousId)) return
    sent.add(mark)
    tracker.send("exposure", { properties: { flag, variant, rule } }, profile)
  }
}

/** Start the SDK. Without `writeKey` it sends no events, without `readKey` it answers no flags. */
export function initTinyCDP(options: TinyCDPOptions): TinyCDP {
  const core = createCore(options)
  const { store } = core
  const tracker = trackerOf(options, core, (version) => flags.wrote(version))

  /** A flag and variant counts once a day and person: what was sent is kept beside the queue. */
  const expose: Expose = (flag, variant, rule) => {
    const day = `${new Date().toISOString().slice(0, 10)} ${core.userId() ?? core.anonymousId()}`
    let sent = store.get("x")
    if (!sent?.startsWith(day)) sent = day
    const mark = `\n${JSON.stringify([flag, variant, rule])}`
    if (sent.includes(mark)) return
    store.set("x", sent + mark)
    tracker.send("exposure", { properties: { flag, variant, rule } })
  }

  const flags = inBrowser
    ? pageFlags(options, core, tracker.flush, options.writeKey ? expose : undefined)
    : serverFlags(options, core, options.writeKey ? exposures(tracker) : undefined)
  return { ...flags, ...tracker }
}
