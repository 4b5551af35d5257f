/**
 * Flags on a server: each question is one request, about the user that it names.
 *
 * Laws  Nothing is remembered from one question to the next, except the version of what this client wrote.
 */
import { ADDRESS, byKey, question } from "./ask"
import type { Core } from "./core"
import type { InnerFlags } from "./page_flags"
import { failed } from "./retry"
import type { DecideOptions, Decision, FlagOptions } from "./types"

export function serverFlags(options: FlagOptions, core: Core): InnerFlags {
  const base = options.endpoint.replace(/\/+$/, "")
  let context = options.context
  let written = 0

  /** The answer, or why there is none. */
  async function once(path: string, query: string, asked: DecideOptions): Promise<Record<string, unknown> | string> {
    const { userId, anonymousId = options.anonymousId, minVersion = written } = asked
    if (!options.readKey) return "There is no readKey."
    let status = 0
    let answer: Record<string, unknown> & { code?: string; message?: string } = {}
    try {
      const address = `${base}${ADDRESS}${path}?minVersion=${minVersion}${query}`
      const about = { ...context, ...asked.context, userId, anonymousId }
      const response = await (options.fetch ?? fetch)(address, question(options.readKey, about, ""))
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
      const answer = await once(`/${encodeURIComponent(key)}`, "", asked)
      if (typeof answer === "string") return { key, reason: "ERROR", errorCode: "GENERAL", errorDetails: answer }
      return (answer.errorCode ? { reason: "ERROR", ...answer } : answer) as unknown as Decision
    },
    async decideAll(asked = {}) {
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
