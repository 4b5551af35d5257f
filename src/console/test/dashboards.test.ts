import { describe, expect, test } from "vitest"
import { cellOf, titleOfCell } from "../app/dashboards/cells.ts"
import { blocks, inline } from "../app/dashboards/markdown.ts"
import { isNumeric, numberIn, rowsOf } from "../app/dashboards/rows.ts"
import { changed, heightOf, idsOf, moved, resized, shortest, widthOf } from "../app/dashboards/tiles.ts"
import type { OfKind } from "../app/insights/query/question.ts"

describe("Markdown of a text tile", () => {
  test("has headings, lists, code and paragraphs", () => {
    const text = "# Week\nFirst line\nsecond line\n\n- one\n- two\n1. first\n\n```\na **b**\n```\n## End"
    expect(blocks(text)).toEqual([
      { kind: "heading", level: 1, of: [{ kind: "text", text: "Week" }] },
      {
        kind: "paragraph",
        of: [
          { kind: "text", text: "First line" },
          { kind: "text", text: " " },
          { kind: "text", text: "second line" },
        ],
      },
      { kind: "list", ordered: false, items: [[{ kind: "text", text: "one" }], [{ kind: "text", text: "two" }]] },
      { kind: "list", ordered: true, items: [[{ kind: "text", text: "first" }]] },
      { kind: "code", text: "a **b**" },
      { kind: "heading", level: 2, of: [{ kind: "text", text: "End" }] },
    ])
  })

  test("has bold, italics, code and links within a line, and leaves names as they are", () => {
    expect(inline("**a** *b* `c` [d](/users) cart_open and last_seen 2*3*4")).toEqual([
      { kind: "bold", text: "a" },
      { kind: "text", text: " " },
      { kind: "italic", text: "b" },
      { kind: "text", text: " " },
      { kind: "code", text: "c" },
      { kind: "text", text: " " },
      { kind: "link", text: "d", href: "/users" },
      { kind: "text", text: " cart_open and last_seen 2*3*4" },
    ])
  })

  test.each(["javascript:alert(1)", "data:text/html,x", "//evil.example", "/\\evil.example", "file:///etc"])(
    "makes no link to %s",
    (href) => {
      expect(inline(`[x](${href})`).filter(({ kind }) => kind === "link")).toEqual([])
    },
  )
})

describe("tiles", () => {
  const tiles = [{ report: "a" }, { report: "b", width: 12 }, { text: "c" }]

  test("move to a place, and no farther than the ends", () => {
    expect(moved(tiles, 0, 1).map(({ report }) => report)).toEqual(["b", "a", undefined])
    expect(moved(tiles, 0, 9).at(-1)).toEqual({ report: "a" })
    expect(moved(tiles, 2, -3)[0]).toEqual({ text: "c" })
    expect(tiles[0]).toEqual({ report: "a" })
  })

  test("have the size of the server's defaults, and no other than it takes", () => {
    expect([widthOf({}), heightOf({})]).toEqual([6, 4])
    expect(resized(tiles, 1, 1, -9)[1]).toEqual({ report: "b", width: 12, height: 1 })
    expect(resized(tiles, 0, -9, 99)[0]).toEqual({ report: "a", width: 1, height: 24 })
    expect(changed(tiles, 2, { width: 3 })[2]).toEqual({ text: "c", width: 3 })
  })

  test("are the same while they move and change their size, two of the same content apart", () => {
    const twice = [{ report: "a" }, { report: "a", width: 12 }]
    const ids = idsOf(twice)
    expect(new Set(ids).size).toBe(2)
    expect(idsOf(resized(twice, 0, 1, 1))).toEqual(ids)
  })

  test("are kept as the server keeps them", () => {
    expect(shortest({ title: "", report: "a", question: null, text: "", width: 6, height: 4 })).toEqual({ report: "a" })
    expect(shortest({ text: "x", width: 12, height: 1 })).toEqual({ text: "x", width: 12, height: 1 })
  })
})

test("rows of a CSV file, with quotes, commas and lines in them", () => {
  expect(rowsOf('a,b,c\r\n1,"x, ""y""\nz",\r\n')).toEqual([
    ["a", "b", "c"],
    ["1", 'x, "y"\nz', ""],
  ])
  expect(rowsOf("a\n1")).toEqual([["a"], ["1"]])
  expect(rowsOf("")).toEqual([])
})

test("shows names made of digits as they are, and numbers only as exact as they can be", () => {
  const rows = [
    ["00420", "1234.50", "12345678901234567890", ""],
    ["11000", "-7.0", "1", ""],
  ]
  expect([0, 1, 2, 3].map((at) => isNumeric(rows, at))).toEqual([false, true, true, true])
  expect(["1234.50", "-7.0", "0", "12345678901234567890", "100"].map(numberIn)).toEqual([
    "1,234.5",
    "-7",
    "0",
    "12345678901234567890",
    "100",
  ])
})

describe("the numbers of a table", () => {
  test("have people behind them where they count people, or what people did", () => {
    const start = "2026-11-23T00:00:00Z"
    expect(cellOf("active", { days: "7", start }, "people")).toEqual({ kind: "active", days: 7, bucket: start })
    expect(cellOf("frequency", { least: "3" }, "people")).toEqual({ kind: "frequency", least: 3 })
    expect(cellOf("adoption", { start }, "first_time")).toEqual({
      kind: "adoption",
      bucket: start,
      number: "firstTime",
    })
    expect(cellOf("adoption", { start }, "rate")).toBeUndefined()
    expect(cellOf("impact", { part: "others" }, "people")).toEqual({ kind: "impact", number: "others" })
    expect(cellOf("impact", { part: "difference" }, "people")).toBeUndefined()
    const exit = { kind: "sessions", number: "exits", label: "cart" }
    expect(cellOf("sessions", { part: "exit", label: "cart" }, "sessions")).toEqual(exit)
    expect(cellOf("sessions", { part: "bucket", start }, "median_ms")).toBeUndefined()
    expect(titleOfCell({ kind: "active", days: 7, bucket: start } as OfKind)).toBe("Active in 7 days, from 2026-11-23")
    expect(titleOfCell(exit as OfKind)).toBe("With a session that ends with cart")
  })
})
