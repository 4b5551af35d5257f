/** What the shop sells. Prices are in cents. */
export type Category = "coffee" | "brewing" | "tableware"

export interface Product {
  sku: string
  name: string
  category: Category
  cents: number
  /** One line for the shelf. */
  short: string
  /** Two sentences for its own page. */
  story: string
  facts: [name: string, value: string][]
}

export const PRODUCTS: readonly Product[] = [
  {
    sku: "yirgacheffe",
    name: "Yirgacheffe",
    category: "coffee",
    cents: 1490,
    short: "Jasmine, bergamot, ripe lemon",
    story:
      "Washed, from smallholders around Gedeb, and roasted light so that nothing stands in front of the flowers. Brew it as a filter, and let it cool: the cup gets sweeter by the minute.",
    facts: [
      ["Origin", "Ethiopia, 2,050 m"],
      ["Process", "washed"],
      ["Roast", "light"],
      ["Bag", "250 g, whole bean"],
    ],
  },
  {
    sku: "huila",
    name: "Huila",
    category: "coffee",
    cents: 1350,
    short: "Panela, red apple, cocoa",
    story:
      "A honey-processed Caturra from one farm above Pitalito. It is the coffee that we drink ourselves, all day, from every machine we own.",
    facts: [
      ["Origin", "Colombia, 1,780 m"],
      ["Process", "honey"],
      ["Roast", "medium"],
      ["Bag", "250 g, whole bean"],
    ],
  },
  {
    sku: "night-shift",
    name: "Night Shift",
    category: "coffee",
    cents: 1290,
    short: "Dark chocolate, no caffeine",
    story:
      "Decaffeinated with sugar cane, in the country where it grew. An espresso for the hours after nine, with a crema that gives nothing away.",
    facts: [
      ["Origin", "Mexico, 1,500 m"],
      ["Process", "sugar-cane decaf"],
      ["Roast", "medium dark"],
      ["Bag", "250 g, whole bean"],
    ],
  },
  {
    sku: "cone",
    name: "Filter Cone",
    category: "brewing",
    cents: 2400,
    short: "Porcelain, for one or two cups",
    story:
      "Thick walls that keep the heat, and spiral ribs that keep the paper off them. It takes the standard conical papers.",
    facts: [
      ["Material", "glazed porcelain"],
      ["Makes", "1 to 2 cups"],
      ["Papers", "cone, size 01 and 02"],
      ["Care", "dishwasher"],
    ],
  },
  {
    sku: "kettle",
    name: "Gooseneck Kettle",
    category: "brewing",
    cents: 6900,
    short: "Pours as slowly as you like",
    story:
      "The neck is narrow where it leaves the body, so the stream stays even from the first drop to the last. For gas, electric and induction.",
    facts: [
      ["Material", "brushed steel, ash"],
      ["Holds", "0.9 l"],
      ["Hobs", "all"],
      ["Weight", "640 g"],
    ],
  },
  {
    sku: "grinder",
    name: "Hand Grinder",
    category: "brewing",
    cents: 8900,
    short: "Steel burrs, thirty clicks",
    story:
      "Conical burrs on two bearings: no wobble, and no dust. Eighteen grams for a filter take forty seconds and no electricity.",
    facts: [
      ["Burrs", "38 mm, hardened steel"],
      ["Holds", "25 g"],
      ["Settings", "30 clicks a turn"],
      ["Body", "aluminium, walnut"],
    ],
  },
  {
    sku: "moka",
    name: "Moka Pot",
    category: "brewing",
    cents: 3400,
    short: "Three cups, one noise",
    story:
      "The same eight sides since 1933, because no better ones were found. Take it off the fire when it begins to talk.",
    facts: [
      ["Material", "cast aluminium"],
      ["Makes", "3 small cups"],
      ["Hobs", "gas, electric"],
      ["Care", "water only"],
    ],
  },
  {
    sku: "cup",
    name: "Stoneware Cup",
    category: "tableware",
    cents: 1800,
    short: "With its saucer, a little uneven",
    story:
      "Thrown by hand in a workshop with two wheels, so that no cup is the twin of another. Glazed inside, bare where you hold it.",
    facts: [
      ["Material", "stoneware"],
      ["Holds", "180 ml"],
      ["Comes with", "its saucer"],
      ["Care", "dishwasher"],
    ],
  },
]

export function productOf(sku: string): Product | undefined {
  return PRODUCTS.find((product) => product.sku === sku)
}

/** What is left of a price, to the cent. */
export function reduced(cents: number, percent: number): number {
  return Math.round((cents * (100 - percent)) / 100)
}

/** What is in the cart: how many of each product, by sku. */
export type Cart = Readonly<Record<string, number>>

export interface Line {
  product: Product
  quantity: number
}

/** The cart's lines, in the order in which they were put in. */
export function linesOf(cart: Cart): Line[] {
  return Object.entries(cart).flatMap(([sku, quantity]) => {
    const product = productOf(sku)
    return product && quantity > 0 ? [{ product, quantity }] : []
  })
}

export function itemsIn(cart: Cart): number {
  return linesOf(cart).reduce((sum, line) => sum + line.quantity, 0)
}

export function totalOf(cart: Cart, percent: number): number {
  return linesOf(cart).reduce((sum, line) => sum + line.quantity * reduced(line.product.cents, percent), 0)
}
