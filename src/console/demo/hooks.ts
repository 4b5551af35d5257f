/** The shop, the address and the clock, as views read them. */
import { useFlag } from "@tinycdp/sdk/react"
import { createContext, useContext, useLayoutEffect, useSyncExternalStore } from "react"
import type { Shop, State } from "./shop.ts"

export const ShopContext = createContext<Shop | null>(null)

export function useShop(): Shop {
  const shop = useContext(ShopContext)
  if (shop === null) throw new Error("a view outside of the shop")
  return shop
}

export function useShopState(): State {
  const shop = useShop()
  return useSyncExternalStore(shop.subscribe, () => shop.state)
}

/** The discount now, in per cent, as the flag says. */
export const useDiscount = (): number => useFlag("demo_discount", 0)

/** Whether the members' corner is open, as the flag says. */
export const useMembership = (): boolean => useFlag("members_area", false)

// The address: what is looked at stands behind the #, so that reload, back and a copied link show the same.

const onAddress = (listener: () => void) => {
  addEventListener("hashchange", listener)
  return () => removeEventListener("hashchange", listener)
}

const address = () => location.hash.replace(/^#?\/?/, "")

/** Which view is looked at: empty for the shelf, `p/<sku>` for a product. */
export const useAddress = (): string => useSyncExternalStore(onAddress, address)

export const go = (to: string): void => {
  location.hash = `/${to}`
}

/** The page's title; the first heading gets the focus when the visitor comes from another view. */
export function useTitle(title: string, heading: { current: HTMLElement | null }): void {
  // With the page, and not after it was painted: by then a visitor may be typing.
  useLayoutEffect(() => {
    const first = document.title === "Kestrel Coffee"
    document.title = `${title} · Kestrel Coffee`
    if (first) return
    scrollTo(0, 0)
    heading.current?.focus({ preventScroll: true })
  }, [title, heading])
}

// One clock for all countdowns: two that end at the same instant show the same at every moment.

const ticking = new Set<() => void>()
let ticker: ReturnType<typeof setInterval> | undefined
const TICK_MS = 100

const onTick = (listener: () => void) => {
  ticking.add(listener)
  ticker ??= setInterval(() => {
    for (const each of [...ticking]) each()
  }, TICK_MS)
  return () => {
    ticking.delete(listener)
    if (ticking.size === 0) {
      clearInterval(ticker)
      ticker = undefined
    }
  }
}

const never = () => () => {}

/** Whole seconds until an instant of the server, undefined for never; the view is drawn again when they change. */
export function useSecondsUntil(until: string | null | undefined): number | undefined {
  const shop = useShop()
  return useSyncExternalStore(until ? onTick : never, () =>
    until ? Math.max(0, Math.ceil((Date.parse(until) - shop.now()) / 1000)) : undefined,
  )
}
