/**
 * Flags on a server: each question is about the user that it names, and is one request, or none with `evaluation`.
 *
 * Laws  Of one question nothing is remembered for the next, except the version of what this client wrote.
 */
import { ADDRESS, byKey, question } from "./ask"
import type { Core } from "./core"
import type { InnerFlags } from "./page_flags"
import { failed, TIMEOUT_MS } from "./retry"
import type { DecideOptions, Decision, FlagOptions, Properties } from "./types"

/** Record that a value of a flag was used by the profile that the context names. */
export type ExposeFor = (context: Properties, flag: string, variant: string, rule: unknown) => void

export function serverFlags(options: FlagOptions, core: Core, expose?: ExposeFor): InnerFlags {
  const base = options.endpoint.replace(/\/+$/, "")
  let context = options.context
  let written = 0

  const about = ({ userId, anonymousId = options.anonymousId, context: more }: DecideOptions): Properties => ({
    ...context,
    ...more,
    userId,
    anonymousId,
  })
  const local = options.readKey ? options.evaluation?.(fetchSnapshot) : undefined

  async function fetchSnapshot(profile: Properties, etag: string) {
    let status = 0
    let body: { code?: string; message?: string } = {}
    let tag: string | null = null
    try {
      const headers = { authorization: `Bearer ${options.readKey}`, "if-none-match": etag }
      const signal = AbortSignal.timeout(TIMEOUT_MS)
      const request = { method: "POST", headers, body: JSON.stringify(profile), signal }
      const response = await (options.fetch ?? fetch)(`${base}/v1/snapshot`, request)
      status = response.status
      tag = response.headers.get("etag")
      if (status !== 304) body = Object(await response.json())
    } catch (why) {
      status = 0
      body = { message: `${base} cannot be reached: ${why}` }
    }
    if (status !== 200 && status !== 304) failed(core, `${base}/v1/snapshot`, status, body)
    return { status, etag: tag ?? "", body }
  }

  /** The answer, or why it is missing. */
  async function once(path: string, query: string, asked: DecideOptions): Promise<Record<string, unknown> | string> {
    const { minVersion = written } = asked
    if (!options.readKey) return "There is no readKey."
    let status = 0
    let answer: Record<string, unknown> & { code?: string; message?: string } = {}
    try {
      const address = `${base}${ADDRESS}${path}?minVersion=${minVersion}${query}`
      const response = await (options.fetch ?? fetch)(address, question(options.readKey, about(asked), ""))
      status = response.status
      answer = Object(await response.json())
      // What is wrong with one flag is its answer; only errors of the request have a code.
      if (!answer.code && (answer.flags || answer.key)) return answer
    } catch (why) {
      answer = { message: `${base} cannot be reached: ${why}` }
    }
    failed(core, base + ADDRESS, status, answer)
    return answer.message ?? `${base + ADDRESS} answered ${status}`
  }

  return {
    flag: (_key, fallback) => fallback as never,
    peek: () => undefined,
    async decide(key, asked = {}) {
      const decision = await local?.decide(key, about(asked), asked.minVersion ?? written)
      if (decision) {
        if (decision.variant !== undefined) expose?.(about(asked), key, decision.variant, decision.metadata?.rule)
        return decision
      }
      const answer = await once(`/${encodeURIComponent(key)}`, "", asked)
      if (typeof answer === "string") return { key, reason: "ERROR", errorCode: "GENERAL", errorDetails: answer }
      return (answer.errorCode ? { reason: "ERROR", ...answer } : answer) as unknown as Decision
    },
    async decideAll(asked = {}) {
      const decisions = await local?.decideAll(about(asked), asked.minVersion ?? written)
      if (decisions) return decisions
      const answer = await once("", "&exposure=false&assign=true", asked)
      return typeof answer === "string" ? {} : byKey((answer.flags ?? []) as Decision[])
    },
    onChange: () => () => {},
    ready: async () => {},
    async setContext(given) {
      context = given
    },
    hydrate() {},
    wrote(version) {
      written = Math.max(written, version)
    },
  }
}
