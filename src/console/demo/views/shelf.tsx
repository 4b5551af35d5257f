import { useEffect, useRef, useState } from "react"
import { money } from "../format.ts"
import { useDiscount, useShop, useTitle } from "../hooks.ts"
import { PRODUCTS, type Product, reduced } from "../products.ts"
import { Art } from "./art.tsx"

export function Shelf() {
  const heading = useRef<HTMLHeadingElement>(null)
  useTitle("Shop", heading)
  return (
    <>
      <h1 ref={heading} tabIndex={-1}>
        Coffee, and what it takes
      </h1>
      <ul className="shelf">
        {PRODUCTS.map((product) => (
          <li key={product.sku}>
            <a className="card" href={`#/p/${product.sku}`}>
              <Art sku={product.sku} />
              <span className="name">{product.name}</span>
              <span className="short">{product.short}</span>
              <Price cents={product.cents} />
            </a>
          </li>
        ))}
      </ul>
    </>
  )
}

function Price({ cents }: { cents: number }) {
  return <Amount now={reduced(cents, useDiscount())} before={cents} />
}

/** An amount, and the one that it fell from if it fell. */
export function Amount({ now, before }: { now: number; before: number }) {
  return (
    <span className="price" data-reduced={now < before || undefined}>
      <b>{money(now)}</b>
      {now < before ? (
        <s>
          <span className="unseen">before: </span>
          {money(before)}
        </s>
      ) : null}
    </span>
  )
}

export function ProductView({ product }: { product: Product }) {
  const shop = useShop()
  const percent = useDiscount()
  const heading = useRef<HTMLHeadingElement>(null)
  const [added, setAdded] = useState(0)
  useTitle(product.name, heading)
  const price = useRef(percent)
  price.current = percent
  // Once for each time the page of a product is opened, whatever the price does meanwhile.
  useEffect(() => shop.view(product, price.current), [shop, product])
  return (
    <article className="product">
      <Art sku={product.sku} large />
      <div>
        <p className="category">{product.category}</p>
        <h1 ref={heading} tabIndex={-1}>
          {product.name}
        </h1>
        <p className="short">{product.short}</p>
        <Price cents={product.cents} />
        <p className="story">{product.story}</p>
        <div className="actions">
          <button
            type="button"
            className="button primary"
            onClick={() => {
              shop.add(product)
              setAdded(added + 1)
            }}
          >
            Add to cart
          </button>
          <span role="status">{added > 0 ? `In the cart${added > 1 ? `, ${added} of it` : ""}` : ""}</span>
        </div>
        <dl className="facts">
          {product.facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        <a className="next" href={`#/p/${nextOf(product).sku}`}>
          Next: {nextOf(product).name} <span aria-hidden="true">→</span>
        </a>
      </div>
    </article>
  )
}

function nextOf(product: Product): Product {
  return PRODUCTS[(PRODUCTS.indexOf(product) + 1) % PRODUCTS.length] ?? product
}
