import { defineConfig, type UserConfig } from "tsdown"

const shared: UserConfig = { platform: "neutral", target: "es2022", fixedExtension: false, hash: false }

/** Leaves out what only servers need: `inBrowser` is true. */
const inBrowser: UserConfig = {
  ...shared,
  clean: false,
  dts: false,
  define: { "typeof document": '"object"' },
  inputOptions: { optimization: { inlineConst: true } },
}

/**
 * One file per entry point: in dist/ as ES module and CommonJS, with types for both; in dist/browser/ as bundlers for
 * browsers take it. Beside them the one script and the snippet for pages without a bundler.
 */
const config: UserConfig[] = defineConfig([
  {
    ...shared,
    entry: ["index", "track", "flags", "local", "evaluation", "auto", "react", "openfeature"].map(
      (name) => `src/${name}.ts`,
    ),
    format: ["esm", "cjs"],
    dts: true,
    clean: true,
  },
  {
    ...inBrowser,
    entry: ["src/index.ts", "src/track.ts", "src/flags.ts"],
    format: ["esm"],
    outDir: "dist/browser",
    minify: "dce-only",
  },
  { ...inBrowser, entry: { tinycdp: "src/global.ts" }, format: ["iife"], minify: true },
  { ...inBrowser, entry: { snippet: "src/snippet.ts" }, format: ["iife"], minify: true },
])

export default config
