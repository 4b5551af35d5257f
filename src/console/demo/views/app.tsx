import { TinyCDPProvider } from "@tinycdp/sdk/react"
import { useEffect, useState } from "react"
import { ShopContext, useAddress, useShopState } from "../hooks.ts"
import { productOf } from "../products.ts"
import type { Shop } from "../shop.ts"
import { CartView, CheckoutView, ThanksView } from "./checkout.tsx"
import { Header, Offer } from "./header.tsx"
import { MembersView } from "./members.tsx"
import { Panel } from "./panel.tsx"
import { ProductView, Shelf } from "./shelf.tsx"

export function App({ shop }: { shop: Shop }) {
  return (
    <ShopContext.Provider value={shop}>
      <Store />
    </ShopContext.Provider>
  )
}

function Store() {
  const { id, client } = useShopState()
  const [open, setOpen] = useState(false)
  useEffect(() => {
    const close = (event: KeyboardEvent) => event.key === "Escape" && setOpen(false)
    addEventListener("keydown", close)
    return () => removeEventListener("keydown", close)
  }, [])
  return (
    <TinyCDPProvider client={client}>
      <div className="page">
        <button type="button" className="skip button" onClick={() => document.getElementById("main")?.focus()}>
          Skip to the shop
        </button>
        <div className="store">
          <Header />
          <Offer />
          {/* Another visitor is another shop: nothing of the views is kept. */}
          <main id="main" tabIndex={-1} key={id}>
            <View />
          </main>
          <footer className="foot">
            Nothing here is sold, and no data leaves your server. The shop is the demo of <a href="./">TinyCDP</a>.
          </footer>
        </div>
        <Panel open={open} onToggle={() => setOpen(!open)} />
      </div>
    </TinyCDPProvider>
  )
}

function View() {
  const address = useAddress()
  const product = address.startsWith("p/") ? productOf(address.slice(2)) : undefined
  if (product) return <ProductView product={product} key={product.sku} />
  switch (address) {
    case "cart":
      return <CartView />
    case "checkout":
      return <CheckoutView />
    case "thanks":
      return <ThanksView />
    case "members":
      return <MembersView />
    default:
      return <Shelf />
  }
}
