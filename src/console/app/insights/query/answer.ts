import { keepPreviousData, useQuery } from "@tanstack/react-query"
import { address, ask, RequestFailed } from "../../lib/client.ts"
import { useSession } from "../../lib/session.ts"
import { type Answer, type Kind, type Question, shortest } from "./question.ts"

const FILLING_MS = 2000

/**
 * The answer to a question. While a changed question is on its way, or cannot be answered, that of the last one stays.
 *
 * A question whose answer is no longer awaited is cancelled by hanging up.
 */
export function useAnswer<K extends Kind>(question: Question<K>, ready = true) {
  const { key } = useSession()
  const body = shortest(question)
  return useQuery({
    queryKey: ["analytics", "answer", body],
    queryFn: ({ signal }) => ask<Answer<K>>(address(["analytics", "query"]), { method: "POST", body, signal }),
    placeholderData: keepPreviousData,
    enabled: key !== "" && ready,
    retry: (failures, problem) => failures < 2 && problem instanceof RequestFailed && problem.status === 0,
    // The first copy of the events is being made: its answer comes without a reload.
    refetchInterval: ({ state: { error } }) =>
      error instanceof RequestFailed && error.code === "ANALYTICS_FILLING" ? FILLING_MS : false,
  })
}
