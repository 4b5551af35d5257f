import { type FormEvent, useEffect, useRef } from "react"
import { money } from "../format.ts"
import { go, useDiscount, useMembership, useShop, useShopState, useTitle } from "../hooks.ts"
import { itemsIn, linesOf, reduced, totalOf } from "../products.ts"
import { Art } from "./art.tsx"
import { Amount } from "./shelf.tsx"

export function CartView() {
  const shop = useShop()
  const { cart } = useShopState()
  const percent = useDiscount()
  const heading = useRef<HTMLHeadingElement>(null)
  useTitle("Cart", heading)
  const lines = linesOf(cart)
  return (
    <section className="narrow">
      <h1 ref={heading} tabIndex={-1}>
        Your cart
      </h1>
      {lines.length === 0 ? (
        <p className="empty">
          There is nothing in it yet. <a href="#/">Look around</a>
        </p>
      ) : (
        <>
          <ul className="lines">
            {lines.map(({ product, quantity }) => (
              <li key={product.sku}>
                <Art sku={product.sku} />
                <a href={`#/p/${product.sku}`}>{product.name}</a>
                <fieldset className="quantity" aria-label={`Quantity of ${product.name}`}>
                  <button
                    type="button"
                    aria-label={`One ${product.name} less`}
                    onClick={() => shop.setQuantity(product, quantity - 1)}
                  >
                    −
                  </button>
                  <output>{quantity}</output>
                  <button
                    type="button"
                    aria-label={`One ${product.name} more`}
                    onClick={() => shop.setQuantity(product, quantity + 1)}
                  >
                    +
                  </button>
                </fieldset>
                <b>{money(quantity * reduced(product.cents, percent))}</b>
              </li>
            ))}
          </ul>
          <Total />
          <a className="button primary" href="#/checkout">
            Check out
          </a>
        </>
      )}
    </section>
  )
}

function Total() {
  const { cart } = useShopState()
  const percent = useDiscount()
  return (
    <p className="total">
      <span>Total</span>
      <Amount now={totalOf(cart, percent)} before={totalOf(cart, 0)} />
    </p>
  )
}

export function CheckoutView() {
  const shop = useShop()
  const { cart } = useShopState()
  const percent = useDiscount()
  const heading = useRef<HTMLHeadingElement>(null)
  useTitle("Checkout", heading)
  const items = itemsIn(cart)
  const began = useRef(items > 0)
  useEffect(() => {
    if (began.current) shop.beginCheckout()
    else go("cart")
  }, [shop])
  const buy = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const name = String(new FormData(event.currentTarget).get("firstName") ?? "").trim()
    shop.buy(name, percent)
    go("thanks")
  }
  return (
    <section className="narrow">
      <h1 ref={heading} tabIndex={-1}>
        Checkout
      </h1>
      <form className="form" onSubmit={buy}>
        <label htmlFor="firstName">Your first name</label>
        <input id="firstName" name="firstName" autoComplete="given-name" maxLength={40} />
        <p className="hint">If you like. The members' corner greets you with it.</p>
        <Total />
        <button type="submit" className="button primary" disabled={items === 0}>
          Buy {items === 1 ? "it" : `${items} things`} for {money(totalOf(cart, percent))}
        </button>
        <p className="hint">Nothing is charged, and nothing will arrive.</p>
      </form>
    </section>
  )
}

export function ThanksView() {
  const member = useMembership()
  const heading = useRef<HTMLHeadingElement>(null)
  useTitle("Thank you", heading)
  return (
    <section className="narrow">
      <h1 ref={heading} tabIndex={-1}>
        Thank you
      </h1>
      <p className="lead">Your order is on its way to nowhere.</p>
      <p className="lead" role="status">
        {member ? "It opened the members' corner, for thirty days." : "It is about to open the members' corner."}
      </p>
      <a className="button primary" href="#/members">
        Go to the members' corner
      </a>
    </section>
  )
}
