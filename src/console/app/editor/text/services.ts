/** What the server says about a source that is being written. It saves nothing. */
import { keepPreviousData, useQuery } from "@tanstack/react-query"
import type { CheckedSource, ExplainedSource, Formatted, Hover, Proposals } from "../../lib/api.ts"
import { address, ask } from "../../lib/client.ts"
import { useRested } from "../../lib/rested.ts"
import { useSession } from "../../lib/session.ts"

/** What an expression is of. A `where` filters the events of a question, `people` its people. */
export type Written = "trait" | "segment" | "flag" | "where" | "people"

/** What is checked, explained and published: filters of questions are checked with their question. */
type Definable = "trait" | "segment" | "flag"

export interface Asked {
  kind: Written
  /** The key of the definition: with it, it may not depend on itself. */
  name?: string
  /** Whose properties a `where` reads. */
  event?: string
}

export const CHECK_MS = 200

export function definable(kind: Written): kind is Definable {
  return kind === "trait" || kind === "segment" || kind === "flag"
}

function post<Answer>(service: string, body: unknown, signal?: AbortSignal): Promise<Answer> {
  return ask<Answer>(address(["dsl", service]), { method: "POST", body, signal })
}

function placed({ kind, name, event }: Asked, source: string, position: number): Record<string, unknown> {
  return { source, position, kind, ...(name ? { key: name } : {}), ...(event ? { event } : {}) }
}

export function completions(asked: Asked, source: string, position: number, signal: AbortSignal): Promise<Proposals> {
  return post("complete", placed(asked, source, position), signal)
}

export function hover(asked: Asked, source: string, position: number): Promise<Hover> {
  return post("hover", placed(asked, source, position))
}

/** The source as the server lays it out; the source itself if it cannot be read. */
export async function formatted(source: string): Promise<string> {
  return (await post<Formatted>("format", { source })).formatted ?? source
}

export interface Check {
  /** The text that the meaning is of; the newest one may still be on its way. */
  source: string
  meaning: CheckedSource
}

/** The meaning of a source, asked for when it rests. The last one stays until the next is there. */
export function useCheck({ kind, name }: Asked, source: string) {
  const { key } = useSession()
  const rested = useRested(source, CHECK_MS)
  const body = { kind, expression: rested, ...(name ? { key: name } : {}) }
  return useQuery({
    queryKey: ["dsl", "check", body],
    queryFn: async ({ signal }): Promise<Check> => ({
      source: rested,
      meaning: await post<CheckedSource>("check", body, signal),
    }),
    placeholderData: keepPreviousData,
    enabled: key !== "" && definable(kind) && rested.trim() !== "",
  })
}

export interface Explained {
  source: string
  explained: ExplainedSource
}

/** A valid source in plain English. The last one stays until the next is there. */
export function useExplained({ kind, name }: Asked, source: string) {
  const { key } = useSession()
  const body = { kind, expression: source, ...(name ? { key: name } : {}) }
  return useQuery({
    queryKey: ["dsl", "explain", body],
    queryFn: async ({ signal }): Promise<Explained> => ({
      source,
      explained: await post<ExplainedSource>("explain", body, signal),
    }),
    placeholderData: keepPreviousData,
    enabled: key !== "" && definable(kind) && source.trim() !== "",
  })
}
