import { countdown, exact, spoken } from "../format.ts"
import { useAddress, useDiscount, useMembership, useSecondsUntil, useShopState } from "../hooks.ts"
import { itemsIn } from "../products.ts"

/** How many products open the offer; the rule of the segment `demo_hot` decides. */
const PRODUCTS_FOR_THE_OFFER = 3

export function Header() {
  const { cart } = useShopState()
  const member = useMembership()
  const address = useAddress()
  const items = itemsIn(cart)
  const current = (here: boolean) => (here ? "page" : undefined)
  return (
    <header className="header">
      <a className="brand" href="#/" aria-label="Kestrel Coffee, the shelf">
        <Mark />
        Kestrel
      </a>
      <nav aria-label="Shop">
        <a href="#/" aria-current={current(address === "")}>
          Shop
        </a>
        <a href="#/members" aria-current={current(address === "members")}>
          Members{member ? <span className="dot" title="open" /> : null}
        </a>
        <a href="#/cart" aria-current={current(address === "cart")}>
          Cart
          <span className="count">
            {items}
            <span className="unseen">{items === 1 ? " item" : " items"}</span>
          </span>
        </a>
      </nav>
    </header>
  )
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <g transform="rotate(35 16 16)">
        <ellipse cx="16" cy="16" rx="9" ry="13" fill="currentColor" />
        <path d="M16 4c-4 5 4 8 0 12s4 7 0 12" fill="none" stroke="var(--bg)" strokeWidth="2" />
      </g>
    </svg>
  )
}

/** The strip under the header. It always has its height: nothing moves when the offer opens. */
export function Offer() {
  const { known } = useShopState()
  const percent = useDiscount()
  const flag = known?.flags.find(({ key }) => key === "demo_discount")
  const seen = known?.traits.find(({ key }) => key === "products_seen")?.value
  const seconds = useSecondsUntil(percent > 0 && !flag?.isOff ? flag?.until : undefined)
  if (known && !flag)
    return (
      <aside className="offer" aria-label="Offer">
        <p>
          This data folder is older than the shop. Give it the definitions:{" "}
          <code>tinycdp apply dsl/examples/coffee.yaml</code>
        </p>
      </aside>
    )
  return (
    <aside className="offer" aria-label="Offer" data-open={percent > 0 || undefined}>
      {percent > 0 ? (
        <p>
          <strong>{percent} % off everything</strong>
          <span className="wide"> while you look around</span>
          <time className="until" title={flag?.until ? `until ${exact(flag.until)}` : ""} data-until={flag?.until}>
            {seconds === undefined ? "" : countdown(seconds)}
          </time>
        </p>
      ) : (
        <p>
          <Steps done={typeof seen === "number" ? seen : 0} />
          Look at three different products, and every price falls.
        </p>
      )}
      {/* Said once for each change, not every second. */}
      <span className="unseen" role="status">
        {percent > 0 ? `Prices fell by ${percent} per cent, for ${spoken(seconds ?? 0)}.` : ""}
      </span>
    </aside>
  )
}

function Steps({ done }: { done: number }) {
  const steps = Array.from({ length: PRODUCTS_FOR_THE_OFFER }, (_, step) => step)
  return (
    <span className="steps" role="img" aria-label={`${Math.min(done, steps.length)} of ${steps.length} seen`}>
      {steps.map((step) => (
        <i key={step} data-done={step < done || undefined} />
      ))}
    </span>
  )
}
