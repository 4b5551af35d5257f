/** What the server has against a document that is being written. */
import { keepPreviousData, useQuery } from "@tanstack/react-query"
import type { Published } from "../../lib/api.ts"
import { address, ask, isWithin, type Problem, RequestFailed } from "../../lib/client.ts"
import { parsed, written } from "../../lib/json.ts"
import { useRested } from "../../lib/rested.ts"
import { useSession } from "../../lib/session.ts"
import type { DeliveryKind } from "../kinds.ts"
import type { Document } from "./document.ts"

/** Names of hosts are looked up for each check. */
const CHECK_MS = 500
/** As what a definition without a key yet is checked. */
const UNNAMED = "new_definition"

export interface Verdict {
  /** Of the document of now; else the problems are those of one before. */
  current: boolean
  valid: boolean
  problems: Problem[]
  /** The server could not check it. */
  failed: Error | null
}

/** Whether a document could be saved, but for other versions. Asked when it rests. */
export function useVerdict({ path }: DeliveryKind, name: string, document: Document | undefined): Verdict {
  const { key } = useSession()
  const now = written([name || UNNAMED, document ?? null])
  const rested = useRested(now, CHECK_MS)
  const answer = useQuery({
    queryKey: [path, "check", rested],
    queryFn: async ({ signal }): Promise<Problem[]> => {
      const [at, body] = parsed(rested) as [string, Document]
      try {
        await ask<Published>(address([path, at], { dryRun: "true" }), { method: "PUT", body, signal })
        return []
      } catch (refused) {
        if (!(refused instanceof RequestFailed) || refused.status !== 400) throw refused
        // The place of a message is said by where it is shown.
        return refused.problems.map((one) => ({ ...one, message: one.message.split(`${one.path}: `).at(-1) ?? "" }))
      }
    },
    placeholderData: keepPreviousData,
    enabled: key !== "" && document !== undefined && !rested.endsWith(",null]"),
    retry: false,
  })
  const current = rested === now && answer.data !== undefined && !answer.isPlaceholderData
  const problems = document === undefined ? [] : (answer.data ?? [])
  return { current, valid: current && problems.length === 0, problems, failed: answer.error }
}

/** The messages about the part at this path, or within it, as one text; empty if that is right. */
export function messagesAt(problems: Problem[], path: string): string {
  return problems
    .filter((one) => isWithin(one.path, path))
    .map(({ message }) => message)
    .join(" ")
}

/** The problems that no field shows. */
export function elsewhere(problems: Problem[], shown: string[]): Problem[] {
  return problems.filter(({ path }) => !shown.some((one) => isWithin(path, one)))
}
