import { expect, it } from "vitest"
import { itemsIn, linesOf, PRODUCTS, reduced, totalOf } from "../demo/products.ts"

it("there are eight products, each with a name in addresses of its own", () => {
  expect(PRODUCTS).toHaveLength(8)
  expect(new Set(PRODUCTS.map(({ sku }) => sku)).size).toBe(8)
  for (const { sku } of PRODUCTS) expect(encodeURIComponent(sku)).toBe(sku)
})

it("prices fall to the cent", () => {
  expect(reduced(1_490, 10)).toBe(1_341)
  expect(reduced(1_350, 10)).toBe(1_215)
  expect(reduced(1_355, 10)).toBe(1_220)
  expect(reduced(1_490, 0)).toBe(1_490)
})

it("a total is the sum of what the lines show", () => {
  const cart = { yirgacheffe: 3, huila: 1 }
  expect(totalOf(cart, 10)).toBe(3 * 1_341 + 1_215)
  expect(itemsIn(cart)).toBe(4)
})

it("what is no longer sold is in no line", () => {
  expect(linesOf({ gone: 2, cup: 1, cone: 0 }).map(({ product }) => product.sku)).toEqual(["cup"])
})
