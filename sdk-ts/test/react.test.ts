// @vitest-environment happy-dom
import { act, createElement as h, StrictMode } from "react"
import { hydrateRoot, type Root } from "react-dom/client"
import { renderToString } from "react-dom/server"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { TinyCDPProvider, useFlag, useTinyCDP, useTrack } from "../src/react.js"
import type { Decision, Decisions, TinyCDP } from "../src/types.js"

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })

/** A client whose answers the test sets. */
class Client {
  answers: Decisions
  used: string[] = []
  tracked: unknown[][] = []
  listeners = new Set<(keys: string[]) => void>()
  constructor(answers: Decisions = {}) {
    this.answers = answers
  }
  peek = (key: string): Decision | undefined => this.answers[key]
  flag = (key: string, fallback: unknown): unknown => {
    if (this.answers[key]) this.used.push(`${key}=${this.answers[key].variant}`)
    return fallback
  }
  onChange = (listener: (keys: string[]) => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  hydrate = (answers: Decisions): void => {
    this.answers = answers
  }
  track = (...given: unknown[]): void => void this.tracked.push(given)
  answer(answers: Decisions): void {
    this.answers = answers
    for (const listener of this.listeners) listener(Object.keys(answers))
  }
  get asClient(): TinyCDP {
    return this as unknown as TinyCDP
  }
}

const price = (value: string): Decisions => ({ price: { key: "price", value, variant: value } })

let renders: string[]

function Price() {
  const value = useFlag("price", "fallback")
  const track = useTrack()
  renders.push(value)
  return h("button", { type: "button", onClick: () => track("buy" as never, { value } as never) }, value)
}

function Alone() {
  return h("i", null, String(useTinyCDP()))
}

const page = (client: Client, bootstrap?: Decisions) =>
  h(StrictMode, null, h(TinyCDPProvider, { client: client.asClient, bootstrap }, h(Price)))

let root: Root | undefined
let place: HTMLElement

beforeEach(() => {
  renders = []
  place = document.createElement("div")
  document.body.append(place)
})

afterEach(async () => {
  await act(async () => root?.unmount())
  place.remove()
  vi.restoreAllMocks()
})

async function hydrated(client: Client, markup: string, bootstrap?: Decisions): Promise<void> {
  place.innerHTML = markup
  await act(async () => {
    root = hydrateRoot(place, page(client, bootstrap))
  })
}

test("the server writes the answers it has, and hydration neither flickers nor complains", async () => {
  const error = vi.spyOn(console, "error")
  const bootstrap = price("7.99")
  const markup = renderToString(page(new Client(), bootstrap))
  expect(markup).toContain("7.99")
  const client = new Client()
  renders = []
  await hydrated(client, markup, bootstrap)
  expect(new Set(renders)).toEqual(new Set(["7.99"]))
  expect(error).not.toHaveBeenCalled()
})

test("an answer in memory that differs comes after hydration, without a mismatch", async () => {
  const error = vi.spyOn(console, "error")
  const markup = renderToString(page(new Client()))
  await hydrated(new Client(price("7.99")), markup)
  expect(renders[0]).toBe("fallback")
  expect(place.textContent).toBe("7.99")
  expect(error).not.toHaveBeenCalled()
})

test("a new answer is shown at once, and one of another type is not", async () => {
  const client = new Client(price("9.99"))
  await hydrated(client, renderToString(page(client)))
  await act(async () => client.answer(price("7.99")))
  expect(place.textContent).toBe("7.99")
  await act(async () => client.answer({ price: { key: "price", value: 3, variant: "three" } }))
  expect(place.textContent).toBe("fallback")
  await act(async () => root?.unmount())
  root = undefined
  expect(client.listeners.size).toBe(0)
})

test("a value that is shown is an exposure; a new value is another one", async () => {
  const client = new Client(price("9.99"))
  await hydrated(client, renderToString(page(client)))
  expect(new Set(client.used)).toEqual(new Set(["price=9.99"]))
  await act(async () => client.answer(price("7.99")))
  expect(client.used.at(-1)).toBe("price=7.99")
})

test("components track, and without a provider they say what is missing", async () => {
  const client = new Client(price("9.99"))
  await hydrated(client, renderToString(page(client)))
  place.querySelector("button")?.click()
  expect(client.tracked).toEqual([["buy", { value: "9.99" }]])
  expect(() => renderToString(h(Alone))).toThrow("<TinyCDPProvider client={…}>")
})
