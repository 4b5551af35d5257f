import { createRoot } from "react-dom/client"
import "../ui/tokens.css"
import "./demo.css"
import { demoKey, Shop } from "./shop.ts"
import { App } from "./views/app.tsx"
import { Closed } from "./views/closed.tsx"

const place = document.getElementById("shop")
if (place) {
  const root = createRoot(place)
  demoKey().then(
    (key) => root.render(<App shop={new Shop(key)} />),
    (problem: Error) => root.render(<Closed reason={problem.message} />),
  )
}
