/**
 * The SDK as one script, for pages without a bundler. The loading snippet put a stand-in at `window.tinycdp`, with the
 * options and the calls so far; this turns it into the client.
 */
import { dataAttributes, pageViews } from "./auto"
import { initTinyCDP } from "./index"
import type { Plugin, TinyCDP, TinyCDPOptions } from "./types"

/** Options of the snippet: plugins are named. */
export interface SnippetOptions extends Omit<TinyCDPOptions, "plugins"> {
  pageViews?: boolean
  dataAttributes?: boolean
}

/** What the snippet leaves: `o` options, `q` calls as name, arguments and what to do with the result. */
interface StandIn {
  o: SnippetOptions
  q: [keyof TinyCDP, unknown[], (result: unknown) => void][]
}

const standIn = (window as unknown as { tinycdp?: StandIn }).tinycdp
if (standIn?.q) {
  const plugins: Plugin[] = []
  if (standIn.o.pageViews) plugins.push(pageViews())
  if (standIn.o.dataAttributes) plugins.push(dataAttributes())
  const calls = standIn.q
  const client = Object.assign(standIn, initTinyCDP({ ...standIn.o, plugins }), { q: undefined })
  // biome-ignore lint/suspicious/noExplicitAny: each call is of some method
  for (const [name, given, then] of calls) then((client as any)[name](...given))
}
