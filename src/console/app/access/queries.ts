import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type { CreatedEnvironment, Environments, Keys, ListedKey, NewKey, RotatedKey } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"

const KEYS = ["admin", "keys"]
const ENVIRONMENTS = ["admin", "environments"]

export function useKeys(enabled: boolean) {
  return useQuery({
    queryKey: KEYS,
    queryFn: async ({ signal }) => (await ask<Keys>(address(KEYS), { signal })).keys,
    enabled,
  })
}

export interface KeyDraft {
  name: string
  scopes: string[]
  origins: string[]
  expiresAt: string | null
}

function useChange<Given, Answer>(change: (given: Given) => Promise<Answer>, list: string[]) {
  const queries = useQueryClient()
  return useMutation({ mutationFn: change, onSuccess: () => queries.invalidateQueries({ queryKey: list }) })
}

export const useCreateKey = () =>
  useChange((body: KeyDraft) => ask<NewKey>(address(KEYS), { method: "POST", body }), KEYS)

export const useChangeKey = (id: number) =>
  useChange(
    (body: Partial<Omit<KeyDraft, "scopes">>) =>
      ask<ListedKey>(address([...KEYS, String(id)]), { method: "PATCH", body }),
    KEYS,
  )

export const useRotateKey = (id: number) =>
  useChange(
    (overlap: string) =>
      ask<RotatedKey>(address([...KEYS, String(id), "rotate"]), { method: "POST", body: { overlap } }),
    KEYS,
  )

export const useRevokeKey = (id: number) =>
  useChange(() => ask<ListedKey>(address([...KEYS, String(id)]), { method: "DELETE" }), KEYS)

/** The key as it is at this moment: what a dry run of revoking it answers. */
export function useRevocation(id: number) {
  return useQuery({
    queryKey: [...KEYS, id, "revocation"],
    queryFn: ({ signal }) =>
      ask<ListedKey>(address([...KEYS, String(id)], { dryRun: "true" }), { method: "DELETE", signal }),
    staleTime: 0,
    gcTime: 0,
    retry: false,
  })
}

export function useEnvironments(enabled: boolean) {
  return useQuery({
    queryKey: ENVIRONMENTS,
    queryFn: async ({ signal }) => (await ask<Environments>(address(ENVIRONMENTS), { signal })).environments,
    enabled,
  })
}

export const useCreateEnvironment = () =>
  useChange(
    (body: { key: string; zone?: string }) => ask<CreatedEnvironment>(address(ENVIRONMENTS), { method: "POST", body }),
    ENVIRONMENTS,
  )
