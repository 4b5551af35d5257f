import { plural } from "../../lib/format.ts"
import type { Cell } from "../query/question.ts"

/** Who is behind a number of a stickiness. */
export function titleOf({ buckets, number }: Cell<"stickiness">, bucket: string): string {
  if (buckets === undefined || buckets === null) return "Active"
  return `Active in ${number === "atLeast" ? "at least" : "exactly"} ${plural(buckets, bucket)}`
}
