import { describe, expect, test } from "vitest"
import { type Apart, cellsOf, replacedIn, textAt, withoutTerm, withTerm } from "../app/editor/text/rows.ts"
import type { Term, TermShape } from "../app/lib/api.ts"

/** The place of a part in a source, in characters; the n-th time that it comes. */
function place(source: string, part: string, n = 0): { from: number; to: number } {
  let at = -1
  for (let i = 0; i <= n; i += 1) at = source.indexOf(part, at + 1)
  const from = [...source.slice(0, at)].length
  return { from, to: from + [...part].length }
}

const EMPTY: Omit<TermShape, "subject"> = { where: null, measure: null, window: null, comparison: null, value: null }

/** `profile.name != "😀" && events.purchase.count_30d >= 2 && (a || !b)`, as the server takes it apart. */
const SOURCE = 'profile.name != "😀" && events.purchase.count_30d >= 2 && (a || !b)'

function apart(): Apart {
  const joint = place(SOURCE, "count_30d")
  const terms: Term[] = [
    {
      ...place(SOURCE, 'profile.name != "😀"'),
      join: null,
      negated: false,
      shape: {
        ...EMPTY,
        subject: { ...place(SOURCE, "profile.name"), kind: "property", name: "name" },
        comparison: { ...place(SOURCE, "!="), op: "!=" },
        value: { ...place(SOURCE, '"😀"'), type: "string", value: "😀" },
      },
    },
    {
      ...place(SOURCE, "events.purchase.count_30d >= 2"),
      join: "and",
      negated: false,
      shape: {
        ...EMPTY,
        subject: { ...place(SOURCE, "purchase"), kind: "event", name: "purchase" },
        measure: { ...joint, function: "count", property: null, quantile: null },
        window: { ...joint, text: "30d" },
        comparison: { ...place(SOURCE, ">="), op: ">=" },
        value: { ...place(SOURCE, "2"), type: "number", value: 2 },
      },
    },
    { ...place(SOURCE, "(a || !b)"), join: "and", negated: false, shape: null },
  ]
  return { source: SOURCE, terms }
}

function write(of: Apart, row: number, role: string, text: string): Apart {
  const term = of.terms[row] as Term
  const cell = cellsOf(of.source, term).find((one) => one.role === role)
  if (!cell?.accepts?.(text)) throw new Error(`${role} does not take ${text}`)
  return replacedIn(of, { start: cell.from, end: cell.to, text: cell.written(text) })
}

describe("rows", () => {
  test("say the parts of a term in the order in which they are read", () => {
    const { source, terms } = apart()
    const texts = terms.map((term) => cellsOf(source, term).map(({ text }) => text))
    expect(texts).toEqual([["name", "!=", "😀"], ["purchase", "count", "30d", ">=", "2"], []])
  })

  test("replace their own characters, also behind others that were replaced, and leave all else", () => {
    let now = write(apart(), 0, "value", 'two "words" 😀')
    now = write(now, 1, "value", "12")
    now = write(now, 1, "window", "7d")
    now = write(now, 1, "subject", "cart")
    now = write(now, 0, "subject", "address.city")
    expect(now.source).toBe('profile.address.city != "two \\"words\\" 😀" && events.cart.count_7d >= 12 && (a || !b)')
    expect(textAt(now.source, now.terms[2] as Term)).toBe("(a || !b)")
  })

  test("take only what can be read", () => {
    const { source, terms } = apart()
    const cells = cellsOf(source, terms[1] as Term)
    const takes = (role: string, text: string) => cells.find((one) => one.role === role)?.accepts?.(text)
    expect([takes("value", "2.5"), takes("value", "2 ||"), takes("value", "")]).toEqual([true, false, false])
    // One word cannot have a range.
    expect([takes("window", "90d"), takes("window", "90d..30d"), takes("window", "30")]).toEqual([true, false, false])
    expect([takes("subject", "order_paid"), takes("subject", "a b")]).toEqual([true, false])
    expect(cells.find(({ role }) => role === "measure")?.choices).toEqual(["count", "rate"])
  })

  test("have lists with commas between, and show what they cannot write", () => {
    const source = 'profile.country in ["DE", "AT"]'
    const value = { ...place(source, '["DE", "AT"]'), type: "list", value: ["DE", "AT"] as unknown }
    const shape: TermShape = {
      ...EMPTY,
      subject: { ...place(source, "profile.country"), kind: "property", name: "country" },
      comparison: { ...place(source, "in"), op: "in" },
      value,
    }
    const term: Term = { from: 0, to: [...source].length, join: null, negated: false, shape }
    expect(write({ source, terms: [term] }, 0, "value", "DE,CH , PL").source).toBe(
      'profile.country in ["DE", "CH", "PL"]',
    )
    const odd = cellsOf(source, { ...term, shape: { ...shape, value: { ...value, value: ["DE, AT", "CH"] } } })
    expect(odd.at(-1)?.accepts).toBeUndefined()
    expect(odd.at(-1)?.text).toBe('["DE", "AT"]')
  })

  test("come and go within the text", () => {
    expect(withTerm(apart(), "vip")).toBe(`${SOURCE} && vip`)
    expect(withTerm({ source: " ", terms: [] }, "vip")).toBe("vip")
    const one: Term = { from: 0, to: 9, join: null, negated: false, shape: null }
    expect(withTerm({ source: "a ?? true // why", terms: [one] }, "vip")).toBe("(a ?? true) && vip // why")
    expect(withoutTerm(apart(), 0)).toBe("events.purchase.count_30d >= 2 && (a || !b)")
    expect(withoutTerm(apart(), 1)).toBe('profile.name != "😀" && (a || !b)')
    expect(withoutTerm(apart(), 2)).toBe('profile.name != "😀" && events.purchase.count_30d >= 2')
  })
})
