/**
 * Decide flags in a server's own process: `@tinycdp/sdk/evaluation`.
 *
 * @packageDocumentation
 */
import { evaluate } from "./local/evaluate"
import type { Json, LocalFlag, Snapshot } from "./local/snapshot"
import type { Decision, Decisions, Evaluation, Properties } from "./types"

/** Options of `localEvaluation`. */
export interface EvaluationOptions {
  /** How long a snapshot is used before the server is asked whether it still holds. Default 10,000. */
  maxAgeMs?: number
  /** The snapshots of how many profiles are kept; those that were used last. Default 1,000. */
  mostProfiles?: number
}

/** What names a profile, the first that is a text counts. */
const NAMES = ["userId", "profileId", "anonymousId", "deviceId", "externalId"]

/** What is known of one profile. Times are those of a clock that is not set. */
interface Held {
  snapshot?: Snapshot
  etag: string
  /** When the snapshot came, whose `asOf` was then. */
  received: number
  /** When the server last said that it holds. */
  checked: number
  /** It is at least as new as this version. */
  includes: number
  /** The server was away at the last try. */
  failed: boolean
  asking?: Promise<void>
}

const serverTime = ({ snapshot, received }: Held): number =>
  (snapshot?.asOf ?? 0) + Math.floor(performance.now() - received)

/**
 * For the option `evaluation` of `initTinyCDP` on a server: the client fetches a snapshot of a profile once, and decides
 * its flags from memory, with the server's answers.
 *
 * Flags that only the server can decide are asked for, as without this. A snapshot is used while it holds, includes what
 * this client sent, and is not older than `maxAgeMs`. If the server is away, the last snapshot goes on until it ends, and
 * its answers have the reason `STALE`.
 */
export function localEvaluation({ maxAgeMs = 10_000, mostProfiles = 1_000 }: EvaluationOptions = {}): Evaluation {
  return (fetchSnapshot) => {
    const known = new Map<string, Held>()

    function heldOf(name: string): Held {
      const held = known.get(name) ?? { etag: "", received: 0, checked: 0, includes: 0, failed: false }
      known.delete(name)
      known.set(name, held) // the last one is the one that was used last
      for (const oldest of known.keys()) {
        if (known.size <= mostProfiles) break
        known.delete(oldest)
      }
      return held
    }

    const holds = (held: Held): boolean =>
      !!held.snapshot && (held.snapshot.validUntil === null || serverTime(held) < held.snapshot.validUntil)

    const isFresh = (held: Held, minVersion: number): boolean =>
      holds(held) && minVersion <= held.includes && performance.now() < held.checked + maxAgeMs

    async function ask(held: Held, profile: Properties, minVersion: number): Promise<void> {
      const { status, etag, body } = await fetchSnapshot({ ...profile, minVersion }, held.etag)
      const now = performance.now()
      const snapshot = body as Snapshot
      if (status === 200 && snapshot?.format === 1) {
        Object.assign(held, { snapshot, etag, received: now, includes: Math.max(minVersion, snapshot.version) })
      } else if (status === 304) {
        held.includes = Math.max(minVersion, held.includes)
      } else if (status && status < 500) {
        delete held.snapshot // refused: nothing may be used any more
      }
      held.failed = status !== 200 && status !== 304
      held.checked = now
    }

    /** A snapshot that may be used; undefined if the server has to be asked for each answer. */
    async function current(context: Properties, minVersion: number): Promise<Held | undefined> {
      if (context.targetingKey) return // it may be an identifier of any kind
      const name = NAMES.find((name) => typeof context[name] === "string")
      const profile = name ? { [name]: context[name] } : {}
      const held = heldOf(JSON.stringify(profile))
      while (!isFresh(held, minVersion)) {
        const before = held.asking
        held.asking ??= ask(held, profile, minVersion).finally(() => {
          delete held.asking
        })
        await held.asking
        // A question that was under way may have been about an older version; one of our own was not.
        if (!before) break
      }
      return holds(held) ? held : undefined
    }

    function decided(held: Held, key: string, context: Properties): Decision | undefined {
      const snapshot = held.snapshot as Snapshot
      const answer = evaluate(snapshot, key, context, serverTime(held))
      if ("ask" in answer) return
      if ("error" in answer) return failure(key, answer.error, `There is no flag '${key}'.`)
      if (answer.unitMissing) {
        return failure(key, "TARGETING_KEY_MISSING", "A rule of this flag needs a unit: name a user or a visitor.")
      }
      const { value, variant, reason, rule } = answer
      const metadata = { ...(snapshot.flags[key] as LocalFlag).metadata, ...(rule !== undefined && { rule }) }
      return { key, value, variant, reason: held.failed ? "STALE" : reason, metadata: metadata as Plain }
    }

    return {
      async decide(key, context, minVersion) {
        const held = await current(context, minVersion)
        return held && decided(held, key, context)
      },
      async decideAll(context, minVersion) {
        const held = await current(context, minVersion)
        const answers: Decisions = {}
        for (const key of Object.keys(held?.snapshot?.flags ?? {})) {
          const answer = held && decided(held, key, context)
          if (!answer) return
          answers[key] = answer
        }
        return held && answers
      },
    }
  }
}

type Plain = Record<string, Exclude<Json, null | object>>

const failure = (key: string, errorCode: string, errorDetails: string): Decision => ({
  key,
  reason: "ERROR",
  errorCode,
  errorDetails,
})
