// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { dataAttributes, pageViews } from "../src/auto.js"
import { createTracker } from "../src/track.js"
import type { Plugin, Tracker } from "../src/types.js"
import { ENDPOINT, forgetEverything, KEY, pass, Server } from "./world.js"

let server: Server
let tracker: Tracker | undefined

const start = (plugin: Plugin): Tracker => {
  tracker = createTracker({ endpoint: ENDPOINT, writeKey: KEY, fetch: server.fetch, plugins: [plugin] })
  return tracker
}

const sent = async () => {
  await tracker?.flush()
  return server.got.flatMap(({ body }) => body.batch)
}

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-11-21T08:00:00Z") })
  forgetEverything()
  server = new Server()
  history.replaceState(null, "", "/start")
})

afterEach(async () => {
  void tracker?.shutdown()
  await pass(1)
  document.body.innerHTML = ""
  vi.useRealTimers()
})

test("the first page and each new address are a page view, with the title that the router set afterwards", async () => {
  const [push, replace] = [history.pushState, history.replaceState]
  start(pageViews())
  history.pushState(null, "", "/cart")
  document.title = "Cart"
  await pass(1)
  history.replaceState({ scroll: 9 }, "", "/cart")
  await pass(1)
  history.pushState(null, "", "/done")
  await pass(1)
  expect((await sent()).map(({ properties }) => properties.path)).toEqual(["/start", "/cart", "/done"])
  expect((await sent())[1].properties.title).toBe("Cart")
  void tracker?.shutdown()
  expect([history.pushState, history.replaceState]).toEqual([push, replace])
  history.pushState(null, "", "/later")
  await pass(1)
  expect(await sent()).toHaveLength(3)
})

test("elements say what a click on them means", async () => {
  document.body.innerHTML = `
    <button data-track="Signup clicked" data-track-plan="pro" data-track-place-name="top" data-other="x"><b>Sign up</b></button>
    <form data-track="Search sent"><input><button type="submit">Go</button></form><i>nothing</i>`
  start(dataAttributes())
  document.querySelector("b")?.click()
  document.querySelector("i")?.click()
  document.querySelector("input")?.click()
  document.querySelector("form")?.dispatchEvent(new Event("submit", { bubbles: true }))
  expect((await sent()).map(({ event, properties }) => [event, properties])).toEqual([
    ["Signup clicked", { plan: "pro", placeName: "top" }],
    ["Search sent", {}],
  ])
})
