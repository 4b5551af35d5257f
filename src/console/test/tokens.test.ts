import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"

type Theme = "light" | "dark"

/** The colours of a style sheet, by name and theme. */
function coloursOf(file: string): Map<string, Record<Theme, string>> {
  const text = readFileSync(new URL(file, import.meta.url), "utf8")
  const found = text.matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)
  return new Map([...found].map(([, name = "", light = "", dark = ""]) => [name, { light, dark }]))
}

const COLOURS = new Map([...coloursOf("../ui/tokens.css"), ...coloursOf("../demo/demo.css")])

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(one: string, other: string): number {
  const [brighter = 0, darker = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a)
  return (brighter + 0.05) / (darker + 0.05)
}

function colour(name: string, theme: Theme): string {
  const found = COLOURS.get(name)
  if (!found) throw new Error(`no colour ${name}`)
  return found[theme]
}

describe.each<Theme>(["light", "dark"])("in the %s theme", (theme) => {
  const grounds = ["bg", "panel", "sunk"]

  it.each(
    ["ink", "mute", "accent", "good", "warn", "bad", "info", "brand"].flatMap((text) =>
      grounds.map((on) => [text, on]),
    ),
  )("%s can be read on %s", (text = "", on = "") => {
    expect(contrast(colour(text, theme), colour(on, theme))).toBeGreaterThanOrEqual(4.5)
  })

  it.each(grounds)("the border of a control is seen on %s", (on) => {
    expect(contrast(colour("control", theme), colour(on, theme))).toBeGreaterThanOrEqual(3)
  })

  it("what has moved can be read", () => {
    expect(contrast(colour("ink", theme), colour("hot", theme))).toBeGreaterThanOrEqual(4.5)
  })

  it("the offer and the buttons can be read", () => {
    expect(contrast("#ffffff", colour("brand-fill", theme))).toBeGreaterThanOrEqual(4.5)
  })
})
