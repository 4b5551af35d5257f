import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type { PolicyVersion, PolicyVersions } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useMay } from "../lib/me.ts"

export type Document = PolicyVersion["document"]

const VERSIONS_SHOWN = 50

/** The versions of a policy, the newest first. Version 0 is the defaults. */
export function usePolicyVersions(name: string, limit = VERSIONS_SHOWN) {
  return useQuery({
    queryKey: ["policies", name, "versions", limit],
    queryFn: async ({ signal }) => {
      const url = address(["admin", "policies", name, "versions"], { limit })
      return (await ask<PolicyVersions>(url, { signal })).versions
    },
    enabled: useMay("admin"),
  })
}

/** The document as the server reads it, with all defaults; nothing is saved. */
export function usePolicyCheck(name: string, document: Document | undefined) {
  return useQuery({
    queryKey: ["policies", name, "check", document],
    queryFn: ({ signal }) =>
      ask<PolicyVersion>(address(["admin", "policies", name], { dryRun: "true" }), {
        method: "PUT",
        body: document,
        signal,
      }),
    enabled: document !== undefined,
    placeholderData: keepPreviousData,
    retry: false,
    gcTime: 0,
  })
}

/**
 * Publishes the document; refused if the version in force is not `base` any more.
 *
 * It is pending until the versions are read again. `onPublished` is the end of that, also if the page was left.
 */
export function usePublishPolicy(name: string, onPublished: () => void) {
  const queries = useQueryClient()
  const again = () => queries.invalidateQueries({ queryKey: ["policies", name, "versions"] })
  return useMutation({
    mutationFn: ({ document, base }: { document: Document; base: number }) =>
      ask<PolicyVersion>(address(["admin", "policies", name]), {
        method: "PUT",
        body: document,
        headers: { "If-Match": `"${base}"` },
      }),
    onSuccess: async () => {
      await again()
      onPublished()
    },
    onError: again,
  })
}
