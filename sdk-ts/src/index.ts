/**
 * Events and flags in one.
 *
 * @packageDocumentation
 */
import { createCore, inBrowser } from "./core"
import { flagsOf } from "./flags"
import { trackerOf } from "./track"
import type { TinyCDP, TinyCDPOptions } from "./types"

export type * from "./types"
export { VERSION } from "./version"

/** Start the SDK. Without `writeKey` it sends no events, without `readKey` it answers no flags. */
export function initTinyCDP(options: TinyCDPOptions): TinyCDP {
  const core = createCore(options)
  const { send, ...tracker } = trackerOf(options, core, (version) => flags.wrote(version))
  const { wrote, ...answers } = flagsOf(options, {
    core,
    flush: () => (inBrowser ? tracker.flush() : Promise.resolve()),
    ...(options.writeKey && { expose }),
  })
  const flags = { wrote }

  /** A flag and variant counts once a day and person: what was sent is kept beside the queue. */
  function expose(
    { key, variant, metadata }: { key: string; variant?: string; metadata?: { rule?: unknown } },
    sure: boolean,
  ): void {
    const day = `${new Date().toISOString().slice(0, 10)} ${core.userId() ?? core.anonymousId()}`
    const [of, ...marks] = (core.store.get("x") ?? "").split("\n")
    const mark = `${key}=${variant}`
    const sent = of === day ? marks : []
    if (sent.includes(mark)) return
    core.store.set("x", [day, ...sent, mark].join("\n"))
    send("exposure", { properties: { flag: key, variant, rule: sure ? metadata?.rule : undefined } })
  }

  return { ...answers, ...tracker }
}
