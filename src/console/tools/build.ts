/**
 * Builds all pages into `src/tinycdp/static/console`, compressed, and puts them there in one step.
 *
 * A build that fails leaves the pages of the last one. A server that runs shows the new ones at the next load.
 */
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { brotliCompress, constants, gzip } from "node:zlib"
import { build } from "vite"
import app from "../app/vite.config.ts"
import demo from "../demo/vite.config.ts"

const TARGET = fileURLToPath(new URL("../../tinycdp/static/console", import.meta.url))
/** What is text and worth it; fonts and images are compressed already. */
const COMPRESSED = /\.(js|css|svg|json)$/

/** Each page is a bundle of its own: they share no code that a visitor would load in vain. */
const PAGES = [app, demo]

const fresh = `${TARGET}.new`
const old = `${TARGET}.old`
await rm(fresh, { recursive: true, force: true })
for (const page of PAGES) {
  await build({
    ...page,
    configFile: false,
    logLevel: "warn",
    build: { ...page.build, outDir: fresh, emptyOutDir: false },
  })
}
await compress(join(fresh, "assets"))
await rm(old, { recursive: true, force: true })
await rename(TARGET, old).catch(() => {}) // missing the first time
await rename(fresh, TARGET)
await rm(old, { recursive: true, force: true })

async function compress(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!COMPRESSED.test(name)) continue
    const text = await readFile(join(folder, name))
    const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } }
    await writeFile(join(folder, `${name}.br`), await promisify(brotliCompress)(text, quality))
    await writeFile(join(folder, `${name}.gz`), await promisify(gzip)(text, { level: 9 }))
  }
}
