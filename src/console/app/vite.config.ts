import { fileURLToPath } from "node:url"
import type { UserConfig } from "vite"

const SERVER = process.env.TINYCDP_URL ?? "http://127.0.0.1:8000"

/** The console. Its addresses have several segments, so what it loads is named from the root. */
export default {
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/",
  // The server puts a nonce of each answer in its place: api/pages/routes.py.
  html: { cspNonce: "__NONCE__" },
  oxc: { jsx: { runtime: "automatic", importSource: "react" } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    rolldownOptions: {
      input: fileURLToPath(new URL("console.html", import.meta.url)),
      // "use client" is for servers that render React; here all of it runs in the browser.
      onwarn: (warning, show) => warning.code === "MODULE_LEVEL_DIRECTIVE" || show(warning),
    },
  },
  // `npm run dev` shows the sources at once, with the data of a server that runs.
  server: { proxy: { "/v1": SERVER } },
} satisfies UserConfig
