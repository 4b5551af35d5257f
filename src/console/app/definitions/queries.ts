import { useQuery } from "@tanstack/react-query"
import type { DefinitionVersions, ExplainedSource, Flag, Impact, Members, Segment, Trait } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useSession } from "../lib/session.ts"
import type { Definition, Kind } from "./kinds.ts"

/** While definitions are computed anew, their progress is asked for this often. */
const PROGRESS_MS = 1000
/** Members come and go by the clock as well. */
const MEMBERS_MS = 5_000
const MEMBERS_SHOWN = 20

export function useDefinitions(kind: Kind) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["definitions", kind],
    queryFn: async ({ signal }) => {
      const answer = await ask<Record<Kind, Definition[]>>(address(["admin", kind]), { signal })
      return answer[kind]
    },
    enabled: key !== "",
    refetchInterval: (query) => (query.state.data?.some((one) => one.status !== "live") ? PROGRESS_MS : false),
  })
}

/** A trait or a segment. */
export function useEdited(kind: "traits" | "segments", name: string) {
  return useDefinition<Trait | Segment>(kind, name)
}

export function useDefinition<Kept extends Definition = Definition>(kind: Kind, name: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["definitions", kind, name],
    queryFn: ({ signal }) => ask<Kept>(address(["admin", kind, name]), { signal }),
    enabled: key !== "",
    refetchInterval: (query) => {
      if (query.state.data && query.state.data.status !== "live") return PROGRESS_MS
      return kind === "segments" ? MEMBERS_MS : false
    },
  })
}

export function useVersions(kind: Kind, name: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["definitions", kind, name, "versions"],
    queryFn: ({ signal }) => ask<DefinitionVersions>(address(["admin", kind, name, "versions"]), { signal }),
    enabled: key !== "",
  })
}

export function useImpact(kind: Kind, name: string) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["definitions", kind, name, "impact"],
    queryFn: ({ signal }) => ask<Impact>(address(["admin", kind, name, "impact"]), { signal }),
    enabled: key !== "",
  })
}

/** The first members. They are asked for again when their number changes, or another version serves. */
export function useMembers(of: Segment) {
  const { key } = useSession()
  return useQuery({
    queryKey: ["definitions", "segments", of.key, "members", of.version, of.status, of.members],
    queryFn: ({ signal }) =>
      ask<Members>(address(["admin", "segments", of.key, "members"], { limit: MEMBERS_SHOWN }), { signal }),
    placeholderData: (former, query) => (query?.queryKey[2] === of.key ? former : undefined),
    enabled: key !== "",
  })
}

/** A definition in plain English. */
export function useExplanation(kind: Kind, definition: Definition) {
  const { key } = useSession()
  const body = {
    kind: kind.slice(0, -1),
    key: definition.key,
    ...("document" in definition ? { flag: draftOf(definition) } : { expression: expressionOf(definition) }),
  }
  return useQuery({
    queryKey: ["explain", body],
    queryFn: ({ signal }) => ask<ExplainedSource>(address(["dsl", "explain"]), { method: "POST", body, signal }),
    enabled: key !== "" && !("static" in definition && definition.static),
  })
}

function expressionOf(definition: Definition): string {
  return "expression" in definition ? definition.expression : (definition.rule ?? "")
}

function draftOf(flag: Flag): Flag["document"] {
  return flag.document
}
