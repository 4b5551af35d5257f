/** What the shop keeps in the browser: the visitor's id and the cart. In memory where nothing may be stored. */
import type { Cart } from "./products.ts"

const PLACE = "kestrel-coffee"

export interface Kept {
  id: string
  cart: Cart
}

/** The visitor of the last time, or a new one. */
export function load(): Kept {
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE) ?? "null")
    if (typeof kept?.id === "string" && kept.id.startsWith("demo_")) return { id: kept.id, cart: kept.cart ?? {} }
  } catch {
    // It cannot be read: a new visitor.
  }
  return { id: begin(), cart: {} }
}

/** A new visitor, with an id that cannot be guessed: it opens what the server knows of the visitor. */
export function begin(): string {
  const id = `demo_${randomText()}`
  saveCart(id, {})
  return id
}

/** 144 random bits as 24 characters. `crypto.randomUUID` is missing where a page comes without TLS. */
export function randomText(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(18))
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
}

export function saveCart(id: string, cart: Cart): void {
  try {
    localStorage.setItem(PLACE, JSON.stringify({ id, cart }))
  } catch {
    // It may not be stored: it lasts as long as the page.
  }
}
