import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { RouterProvider } from "@tanstack/react-router"
import { setNonce } from "get-nonce"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import "../ui/tokens.css"
import "./styles/base.css"
import "./styles/parts.css"
import "./styles/shell.css"
import "./styles/forms.css"
import { RequestFailed } from "./lib/client.ts"
import { takeKeyFromAddress, watchIdleness } from "./lib/session.ts"
import { showTheme } from "./lib/theme.ts"
import { router } from "./routes.ts"

const RETRIES = 2

takeKeyFromAddress()
watchIdleness()
showTheme()
// What Radix adds to the page's style carries the nonce of this answer; the policy refuses the rest.
setNonce(document.querySelector<HTMLMetaElement>("meta[property=csp-nonce]")?.nonce ?? "")

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      refetchOnWindowFocus: true,
      // An answer of the server stays the same if asked again; a network may come back.
      retry: (failures, problem) =>
        failures < RETRIES && problem instanceof RequestFailed && (problem.status === 0 || problem.status >= 500),
    },
  },
})

const place = document.getElementById("console")
if (place) {
  createRoot(place).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  )
}
