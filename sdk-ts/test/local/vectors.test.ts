import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { bucket } from "../../src/local/bucket"
import { evaluate } from "../../src/local/evaluate"
import type { Json, Snapshot } from "../../src/local/snapshot"

const DSL = new URL("../../../dsl/", import.meta.url)
const parsed = (url: URL) => JSON.parse(readFileSync(url, "utf8"))

interface Case {
  id: string
  flag: string
  context: { [name: string]: Json }
  now: number
  unit?: string
  snapshot?: Snapshot
  answer: { [field: string]: unknown }
}

interface Hashed {
  id: string
  hash: { salt: string; purpose: string; unit: string }
  bucket: number
}

for (const file of readdirSync(new URL("snapshots/", DSL))) {
  describe(file, () => {
    const { snapshots, cases }: { snapshots: Snapshot[]; cases: (Case & { of: number })[] } = parsed(
      new URL(`snapshots/${file}`, DSL),
    )
    it.each(cases)("$id", ({ of, flag, context, now, unit, answer }) => {
      const found = evaluate(snapshots[of] as Snapshot, flag, context, now, unit)
      expect(found).toMatchObject(answer)
      expect("ask" in found).toBe("ask" in answer)
    })
  })
}

describe("buckets", () => {
  const { cases } = parsed(new URL("vectors/hash/buckets.json", DSL))
  const hashed: Hashed[] = cases.filter((one: Hashed) => one.hash && one.bucket !== undefined)
  it.each(hashed)("$id", ({ hash, bucket: expected }) => {
    expect(bucket(hash.salt, hash.purpose, hash.unit)).toBe(expected)
  })
  it("are of texts of any length", () => {
    const found = Array.from({ length: 130 }, (_, n) => bucket("s", "rollout", "x".repeat(n)))
    expect(new Set(found).size).toBeGreaterThan(125)
    expect(Math.max(...found)).toBeLessThan(100_000)
  })
})
