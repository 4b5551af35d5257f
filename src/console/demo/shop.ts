/**
 * The shop: its visitor, the cart, and what the server knows. Views read `state` and call the methods.
 *
 * It uses the SDK as any shop would: `track` when something happens, flags for what to show. Beside that, and only
 * because this is a demo, it asks the server what it knows of the visitor.
 */
import { initTinyCDP, type TinyCDP } from "@tinycdp/sdk"
import { continued, detailOf, type Entry, nextChange, type Visitor } from "./knowledge.ts"
import { type Cart, itemsIn, linesOf, type Product, reduced, totalOf } from "./products.ts"
import * as storage from "./storage.ts"

/** The page is at `/demo`, perhaps below a path of a proxy. */
const ENDPOINT = new URL(".", document.baseURI).href.replace(/\/$/, "")
const ASK_AGAIN_MS = 2_000
/** The server's clock has milliseconds: a timer that ends within one would ask too early. */
const MARGIN_MS = 5
const LONGEST_TIMER_MS = 2 ** 31 - 1

export interface State {
  id: string
  client: TinyCDP
  cart: Cart
  /** Undefined until the server has answered. */
  known: Visitor | undefined
  journal: readonly Entry[]
  /** Keys that have moved since the page was opened, as `segment demo_hot`. */
  moved: ReadonlySet<string>
  /** What is wrong, in words; empty if nothing. */
  trouble: string
}

export class Shop {
  state: State
  private readonly key: string
  private listeners = new Set<() => void>()
  private asking = false
  private askAgain = false
  private timer: ReturnType<typeof setTimeout> | undefined
  private stopListening: () => void
  /** What to add to the clock of this machine to get the server's. */
  private ahead = 0
  private fastest = Number.POSITIVE_INFINITY

  constructor(key: string) {
    this.key = key
    const { id, cart } = storage.load()
    this.state = { id, client: this.open(id), cart, known: undefined, journal: [], moved: new Set(), trouble: "" }
    this.stopListening = this.state.client.onChange(this.ask)
    addEventListener("online", () => void this.sent())
    addEventListener("offline", () => this.set({ trouble: "Offline. Events wait, and are sent when you are back." }))
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.ask())
    this.send("page", "page", {})
  }

  private open(id: string): TinyCDP {
    return initTinyCDP({
      endpoint: ENDPOINT,
      writeKey: this.key,
      readKey: this.key,
      anonymousId: id,
      flushAt: 1,
      onError: ({ message }) => this.set({ trouble: message }),
    })
  }

  // What happens in the shop

  view(product: Product, percent: number): void {
    const price = reduced(product.cents, percent) / 100
    this.send("track", "product_viewed", { sku: product.sku, category: product.category, price })
  }

  add(product: Product): void {
    this.setCart({ ...this.state.cart, [product.sku]: (this.state.cart[product.sku] ?? 0) + 1 })
    this.send("track", "cart", { sku: product.sku, items: itemsIn(this.state.cart) })
  }

  setQuantity(product: Product, quantity: number): void {
    const { [product.sku]: _, ...others } = this.state.cart
    this.setCart(quantity > 0 ? { ...this.state.cart, [product.sku]: quantity } : others)
  }

  beginCheckout(): void {
    this.send("track", "checkout", { items: itemsIn(this.state.cart) })
  }

  buy(firstName: string, percent: number): void {
    const { cart } = this.state
    if (firstName) this.send("identify", "identify", { firstName })
    this.send("track", "purchase", {
      amount: totalOf(cart, percent) / 100,
      currency: "EUR",
      items: itemsIn(cart),
      discounted: percent > 0,
      category: linesOf(cart)[0]?.product.category,
    })
    this.setCart({})
  }

  /** Forget this visitor in the browser, and begin as another one. */
  startOver(): void {
    this.stopListening()
    clearTimeout(this.timer)
    const left = this.state.client
    left.reset()
    void left.shutdown()
    const id = storage.begin()
    this.set({ id, client: this.open(id), cart: {}, known: undefined, journal: [], moved: new Set(), trouble: "" })
    this.stopListening = this.state.client.onChange(this.ask)
    this.send("page", "page", {})
  }

  private send(call: "track" | "page" | "identify", name: string, properties: Record<string, unknown>): void {
    const id = storage.randomText()
    const entry: Entry = {
      id,
      at: this.now(),
      cause: "event",
      name,
      detail: detailOf(properties),
      state: "waiting",
      moves: [],
    }
    this.set({ journal: [entry, ...this.state.journal] })
    const { client } = this.state
    if (call === "track") client.track(name, properties, { messageId: id })
    else if (call === "page") client.page("Shop", properties, { messageId: id })
    else client.identify(undefined, properties, { messageId: id })
    void this.sent()
  }

  private async sent(): Promise<void> {
    await this.state.client.flush()
    this.ask()
  }

  // What the server knows

  /** Ask the server, once more if it is being asked. */
  ask = (): void => {
    if (this.asking) {
      this.askAgain = true
      return
    }
    this.asking = true
    this.askAgain = false
    clearTimeout(this.timer)
    const { id } = this.state
    const began = Date.now()
    fetch(`${ENDPOINT}/demo/me?id=${id}`, { cache: "no-store" })
      .then(async (answer) => {
        const body = await answer.json()
        if (!answer.ok) throw new Error(body.message)
        if (id === this.state.id) this.learn(body, began)
      })
      .catch((problem: Error) => {
        const trouble = navigator.onLine ? `The server does not answer. ${problem.message}` : this.state.trouble
        this.set({ trouble })
        this.askIn(ASK_AGAIN_MS)
      })
      .finally(() => {
        this.asking = false
        if (this.askAgain) this.ask()
      })
  }

  private learn(known: Visitor, began: number): void {
    const ended = Date.now()
    if (ended - began < this.fastest) {
      this.fastest = ended - began
      this.ahead = Date.parse(known.asOf) - (began + ended) / 2
    }
    const journal = continued(this.state.journal, this.state.known, known)
    const moves = journal.flatMap((entry) => entry.moves)
    const moved = new Set([...this.state.moved, ...moves.map(({ kind, key }) => `${kind} ${key}`)])
    const waits = journal.some(({ state }) => state === "waiting")
    this.set({ known, journal, moved, trouble: waits ? this.state.trouble : "" })
    const next = nextChange(known)
    if (waits) this.askIn(ASK_AGAIN_MS, () => void this.sent())
    else if (next !== undefined) this.askIn(next - this.now() + MARGIN_MS)
  }

  private askIn(ms: number, ask: () => void = this.ask): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(ask, Math.min(Math.max(ms, MARGIN_MS), LONGEST_TIMER_MS))
  }

  /** The instant, by the server's clock. */
  now = (): number => Date.now() + this.ahead

  // The store

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private setCart(cart: Cart): void {
    storage.saveCart(this.state.id, cart)
    this.set({ cart })
  }

  private set(change: Partial<State>): void {
    this.state = { ...this.state, ...change }
    for (const listener of this.listeners) listener()
  }
}

/** The key that a page may have. Only a server that was started with --demo gives it. */
export async function demoKey(): Promise<string> {
  const answer = await fetch(`${ENDPOINT}/demo/config`, { cache: "no-store" })
  const body = await answer.json()
  if (!answer.ok) throw new Error(body.message)
  return body.key
}
