import { expect, test } from "vitest"
import manifest from "../package.json" with { type: "json" }
import { VERSION } from "../src/version.js"

test("the version in the messages is that of the package", () => {
  expect(VERSION).toBe(manifest.version)
})
