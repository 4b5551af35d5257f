/** What the server has against a flag that is being written, each shown at the part that it is about. */
import { keepPreviousData, useQuery } from "@tanstack/react-query"
import { createContext, useContext } from "react"
import type { CheckedSource, FlagBody } from "../../lib/api.ts"
import { address, ask, isWithin, type Problem, RequestFailed } from "../../lib/client.ts"
import { parsed, written } from "../../lib/json.ts"
import { useRested } from "../../lib/rested.ts"
import { useSession } from "../../lib/session.ts"

const CHECK_MS = 300

export interface Verdict {
  /** Of the document of now; else the problems are those of one before. */
  current: boolean
  valid: boolean
  problems: Problem[]
}

/** Whether a document could be published, but for other versions and keys. Asked when it rests. */
export function useVerdict(name: string, document: Record<string, unknown> | undefined): Verdict {
  const { key } = useSession()
  const flag = written(document ?? null)
  const rested = useRested(flag, CHECK_MS)
  const answer = useQuery({
    queryKey: ["dsl", "check", "flag", name, rested],
    queryFn: async ({ signal }): Promise<Problem[]> => {
      const body = { kind: "flag", ...(name ? { key: name } : {}), flag: parsed(rested) as FlagBody }
      try {
        const found = await ask<CheckedSource>(address(["dsl", "check"]), { method: "POST", body, signal })
        return found.diagnostics
          .filter(({ severity }) => severity === "error")
          .map(({ path = "$", message, code }) => ({ path, message, code }))
      } catch (refused) {
        if (!(refused instanceof RequestFailed) || refused.status !== 400) throw refused
        // The place of a message is said by where it is shown.
        return refused.problems.map((one) => ({ ...one, message: one.message.replace(`${one.path}: `, "") }))
      }
    },
    placeholderData: keepPreviousData,
    enabled: key !== "" && document !== undefined,
  })
  const current = rested === flag && answer.data !== undefined && !answer.isPlaceholderData
  const problems = document === undefined ? [] : (answer.data ?? [])
  return { current, valid: current && problems.length === 0, problems }
}

const Problems = createContext<Problem[]>([])
export const ProblemsAt = Problems.Provider

/**
 * The messages about the part at this path, or within it; not those of `but`, which are shown elsewhere.
 *
 * Those of conditions are shown by their own editors, so only with `conditions` are they here.
 */
export function Wrong({ at, but = [], conditions = false }: { at: string; but?: string[]; conditions?: boolean }) {
  const own = useContext(Problems).filter(
    ({ path }) =>
      isWithin(path, at) &&
      !but.some((one) => isWithin(path, one)) &&
      (conditions || !/^\$\.(rule|rules\[\d+\]\.when)$/.test(path)),
  )
  if (own.length === 0) return null
  return (
    <ul className="wrong" role="alert">
      {own.map(({ path, message, code }) => (
        <li key={`${path} ${message}`} className="problem">
          {conditions && <code>{path}</code>} {message} <code>{code}</code>
        </li>
      ))}
    </ul>
  )
}
