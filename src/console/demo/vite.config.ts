import { fileURLToPath } from "node:url"
import type { UserConfig } from "vite"

const sdk = (file: string) => fileURLToPath(new URL(`../../../sdk-ts/src/${file}`, import.meta.url))
const SERVER = process.env.TINYCDP_URL ?? "http://127.0.0.1:8000"

/**
 * The demo shop. It is written for React and runs on Preact, which is a tenth of its size: the page is to show how
 * small the SDK is.
 */
export default {
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  // The server puts a nonce of each answer in its place: api/pages/routes.py.
  html: { cspNonce: "__NONCE__" },
  oxc: { jsx: { runtime: "automatic", importSource: "react" } },
  resolve: {
    alias: [
      { find: "@tinycdp/sdk/react", replacement: sdk("react.ts") },
      { find: "@tinycdp/sdk", replacement: sdk("index.ts") },
      { find: "react/jsx-runtime", replacement: "preact/jsx-runtime" },
      { find: "react-dom/client", replacement: "preact/compat/client" },
      { find: "react-dom", replacement: "preact/compat" },
      { find: "react", replacement: "preact/compat" },
    ],
    dedupe: ["preact"],
  },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    rolldownOptions: { input: fileURLToPath(new URL("demo.html", import.meta.url)) },
  },
  // `npm run dev:demo` shows the sources at once, with the data of a server that runs with --demo.
  server: { proxy: Object.fromEntries(["/v1", "/ofrep", "/demo/config", "/demo/me"].map((path) => [path, SERVER])) },
} satisfies UserConfig
