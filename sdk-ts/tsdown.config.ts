import { defineConfig, type UserConfig } from "tsdown"

/** One file per entry point in dist/, as ES module and CommonJS, with types for both. */
const config: UserConfig = defineConfig({
  entry: ["src/index.ts", "src/track.ts", "src/flags.ts", "src/auto.ts"],
  format: ["esm", "cjs"],
  platform: "neutral",
  target: "es2022",
  fixedExtension: false,
  dts: true,
  clean: true,
})

export default config
