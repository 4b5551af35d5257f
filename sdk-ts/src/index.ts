/**
 * Events and flags in one.
 *
 * @packageDocumentation
 */
import { createCore } from "./core"
import { inBrowser } from "./host"
import { type Expose, pageFlags } from "./page_flags"
import { serverFlags } from "./server_flags"
import { trackerOf } from "./tracker"
import type { TinyCDP, TinyCDPOptions } from "./types"

export type * from "./types"

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
    : serverFlags(options, core)
  return { ...flags, ...tracker }
}
