/** A JSON value. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

/** What is left of a condition: a literal, or a node with its operands. `dsl/SNAPSHOT.md` lists all nodes. */
export type Tree = string | boolean | null | readonly [name: string, ...operands: unknown[]]

/** A flag's answer until an instant. */
export interface Step {
  readonly variant: string
  readonly reason: string
  readonly rule?: string
  readonly until: number | null
}

/** Serves where `when` is true and the unit falls into all buckets. */
export interface Clause {
  readonly when?: Tree
  readonly buckets?: readonly (readonly [salt: string, purpose: string, from: number, to: number])[]
  readonly serve?: string
  readonly split?: readonly [salt: string, arms: readonly (readonly [variant: string, weight: number])[]]
  readonly reason: string
  readonly rule?: string
}

/** One flag of a snapshot: to be asked from the server, known for every context, or left to the client. */
export interface LocalFlag {
  readonly ask?: string
  readonly off?: string
  readonly variants?: { readonly [variant: string]: Json }
  readonly metadata?: { readonly [name: string]: Json }
  readonly steps?: readonly Step[]
  readonly until?: number | null
  readonly clauses?: readonly Clause[]
}

/** What `POST /v1/snapshot` answers. Instants are milliseconds since 1970, null is never. */
export interface Snapshot {
  readonly format: number
  readonly asOf: number
  readonly validUntil: number | null
  readonly revision: number
  readonly version: number
  readonly unit: string | null
  readonly stale?: boolean
  readonly flags: { readonly [key: string]: LocalFlag }
  readonly stream?: string
}

/** A decision, equal to the server's for the same profile, context and instant. */
export interface LocalDecision {
  readonly value: Json
  readonly variant: string
  readonly reason: string
  /** The rule that matched. */
  readonly rule?: string
  /** The first instant at which the answer may change by itself; null is never. */
  readonly validUntil: number | null
  /** A rule divides units, and the snapshot has none: OpenFeature's error `TARGETING_KEY_MISSING`. */
  readonly unitMissing?: true
}

/** The flag has to be asked from the server; `ask` says why, `ended` that the snapshot is too old. */
export interface AskServer {
  readonly ask: string
}

/** There is no such flag. */
export interface FlagNotFound {
  readonly error: "FLAG_NOT_FOUND"
}
