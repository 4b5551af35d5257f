/**
 * Decides flags in the page or the process, from a snapshot of the server, with the server's own answers.
 *
 * `dsl/SNAPSHOT.md` in the server's repository is the specification.
 *
 * @module
 */
export { evaluate } from "./local/evaluate"
export type {
  AskServer,
  Clause,
  FlagNotFound,
  Json,
  LocalDecision,
  LocalFlag,
  Snapshot,
  Step,
  Tree,
} from "./local/snapshot"
