/**
 * Flags alone: `@tinycdp/sdk/flags`.
 *
 * @packageDocumentation
 */
import { createCore } from "./core"
import { inBrowser } from "./host"
import { pageFlags } from "./page_flags"
import { serverFlags } from "./server_flags"
import type { FlagOptions, Flags } from "./types"

export type * from "./types"

/** Start answering flags. Exposures are recorded when the answers are fetched. */
export function createFlags(options: FlagOptions & { readKey: string }): Flags {
  const core = createCore(options)
  const flags = inBrowser ? pageFlags(options, core, async () => {}, undefined) : serverFlags(options, core)
  return { ...flags, shutdown: async () => core.ending.abort() }
}
