/** How flags are asked for: OpenFeature's Remote Evaluation Protocol. */
import { TIMEOUT_MS } from "./retry"
import type { Decision, Decisions, Properties } from "./types"

export const ADDRESS = "/ofrep/v1/evaluate/flags"

/** The request that asks what the context says. */
export const question = (key: string, context: Properties, etag: string): RequestInit => ({
  method: "POST",
  headers: { "x-api-key": key, "if-none-match": etag },
  body: JSON.stringify({ context }),
  signal: AbortSignal.timeout(TIMEOUT_MS),
})

export const byKey = (flags: Decision[]): Decisions => Object.fromEntries(flags.map((flag) => [flag.key, flag]))
