// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import type { TinyCDP } from "../src/types.js"
import { forgetEverything, ok, Server } from "./world.js"

const page = window as unknown as { tinycdp?: TinyCDP & { o?: Record<string, unknown> } }

beforeEach(() => {
  forgetEverything()
  vi.resetModules()
})

afterEach(async () => {
  await page.tinycdp?.shutdown()
  delete page.tinycdp
  vi.restoreAllMocks()
})

test("calls wait until the script is there, and are then made in their order", async () => {
  const scripts: string[] = []
  vi.spyOn(document.head, "append").mockImplementation((...added) => {
    for (const one of added) scripts.push((one as HTMLScriptElement).src)
  })
  await import("../src/snippet.js")
  expect(scripts[0]).toMatch(/tinycdp\.js$/)
  const standIn = page.tinycdp as TinyCDP
  standIn.identify("ada")
  standIn.track("early", { n: 1 })
  const flushed = standIn.flush()
  expect(standIn.flag("premium", true)).toBe(true)
  await import("../src/snippet.js") // twice in one page
  const server = new Server()
  server.answer = ({ url }) => (url.includes("/ofrep/") ? { body: { flags: [] } } : ok())
  Object.assign(page.tinycdp?.o ?? {}, { fetch: server.fetch, writeKey: "write_0123456789abcdef" })
  await import("../src/global.js")
  await flushed
  expect(page.tinycdp).toBe(standIn)
  expect(page.tinycdp?.userId()).toBe("ada")
  const sent = server.got.flatMap(({ body }) => body.batch ?? [])
  expect(sent.map((one) => one.event ?? one.type)).toEqual(["page", "identify", "early"])
})
