/**
 * How many bytes each entry point adds to a page: bundled and minified as Vite does it, compressed by gzip.
 *
 * `npm run build && npm run sizes` prints a table, and fails if a limit is exceeded.
 */
import { readFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { build } from "rolldown"

const KB = 1024

const LIMITS: [string, string, number][] = [
  ["@tinycdp/sdk/track", "dist/browser/track.js", 3 * KB],
  ["@tinycdp/sdk", "dist/browser/index.js", 4.5 * KB],
  ["@tinycdp/sdk/local", "dist/local.js", 3 * KB],
  ["@tinycdp/sdk/react", "dist/react.js", 0.6 * KB],
  ["@tinycdp/sdk/openfeature", "dist/openfeature.js", 1.2 * KB],
  ["@tinycdp/sdk/auto", "dist/auto.js", 0.6 * KB],
]
/** Inline in a page, and so not compressed by itself. */
const SNIPPET_LIMIT = KB

async function bundled(file: string): Promise<number> {
  const { output } = await build({
    input: file,
    external: [/^react/],
    write: false,
    output: { minify: true, comments: false },
  })
  return gzipSync(output[0].code, { level: 9 }).length
}

let exceeded = false
const line = (name: string, size: number, limit: number) => {
  exceeded ||= size > limit
  console.log(`${name.padEnd(26)} ${size} of ${Math.floor(limit)} bytes${size > limit ? "  TOO LARGE" : ""}`)
}

for (const [name, file, limit] of LIMITS) line(name, await bundled(file), limit)
line("snippet, not compressed", readFileSync("dist/snippet.iife.js").length, SNIPPET_LIMIT)
process.exitCode = exceeded ? 1 : 0
