/** The SDK where there is no page: memory, and a user for each call. */
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { initTinyCDP } from "../src/index.js"
import type { TinyCDP, TinyCDPOptions } from "../src/types.js"
import { type Answer, ENDPOINT, type Got, KEY, ok, pass, READ, Server, Told } from "./world.js"

let server: Server
let told: Told

const start = (options: Partial<TinyCDPOptions> = {}): TinyCDP =>
  initTinyCDP({ endpoint: `${ENDPOINT}/`, writeKey: KEY, readKey: READ, fetch: server.fetch, ...told, ...options })

const answered = (request: Got): Answer => {
  if (!request.url.includes("/ofrep/")) return ok()
  const premium = { key: "premium", value: true, variant: "on", reason: "TARGETING_MATCH" }
  return { body: /flags\?/.test(request.url) ? { flags: [premium] } : premium }
}

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-11-21T08:00:00Z") })
  server = new Server()
  server.answer = answered
  told = new Told()
})

afterEach(() => vi.useRealTimers())

test("making a client does nothing: it may be made where a module is loaded", async () => {
  start()
  await pass(60_000)
  expect(server.got).toHaveLength(0)
  expect(vi.getTimerCount()).toBe(0)
})

test("each call names its user, and nothing is remembered for the next", async () => {
  const client = start()
  client.identify("ada", { plan: "pro" })
  client.group("acme", {}, { userId: "ada" })
  client.track("open", { a: 1 }, { anonymousId: "tab" })
  await client.flush()
  const [ada, group, tab] = server.got[0]?.body.batch ?? []
  expect(ada).toMatchObject({ type: "identify", userId: "ada", traits: { plan: "pro" } })
  expect(ada.anonymousId).toBeUndefined()
  expect(group).toMatchObject({ userId: "ada", groupId: "acme" })
  expect(tab.userId).toBeUndefined()
  expect(tab).toMatchObject({ anonymousId: "tab", context: { library: { name: "@tinycdp/sdk" } } })
  expect(tab.context.sessionId).toBeUndefined()
})

test("questions are asked about the user they name, and include what was sent", async () => {
  const client = start()
  expect(await client.decide("premium", { userId: "ada", context: { plan: "pro" } })).toMatchObject({ value: true })
  expect(server.got[0]).toMatchObject({
    url: `${ENDPOINT}/ofrep/v1/evaluate/flags/premium?minVersion=0`,
    body: { context: { userId: "ada", plan: "pro" } },
    headers: { "x-api-key": READ },
  })
  client.track("open", {}, { userId: "ada" })
  await client.flush()
  expect(await client.decideAll({ userId: "ada" })).toEqual({ premium: expect.objectContaining({ value: true }) })
  expect(server.got.at(-1)?.url).toContain("?minVersion=7&exposure=false&assign=true")
  expect(client.flag("premium", "fallback")).toBe("fallback")
})

test.each([
  [{ status: 404, body: { key: "nope", errorCode: "FLAG_NOT_FOUND", errorDetails: "none" } }, "FLAG_NOT_FOUND", []],
  [
    { status: 401, body: { key: "nope", errorCode: "GENERAL", code: "INVALID_KEY", message: "no" } },
    "GENERAL",
    ["INVALID_KEY"],
  ],
  [
    { status: 503, body: { key: "nope", errorCode: "GENERAL", code: "DATABASE_AWAY", message: "no" } },
    "GENERAL",
    ["SERVER"],
  ],
  [{ body: "<!doctype html>" }, "GENERAL", ["WRONG_ENDPOINT"]],
  ["away", "GENERAL", ["NETWORK"]],
] as [Answer, string, string[]][])("%j is an answer with an error, and told once", async (answer, errorCode, codes) => {
  server.answer = () => answer
  const client = start()
  for (let n = 0; n < 2; n++) {
    expect(await client.decide("nope", { userId: "ada" })).toMatchObject({ reason: "ERROR", errorCode })
  }
  expect(await client.decideAll({ userId: "ada" })).toEqual({})
  expect(told.codes).toEqual(codes)
})

test("shutdown sends what waits, through failures that pass", async () => {
  let n = 0
  server.answer = () => (n++ ? ok() : { status: 503 })
  const client = start()
  client.track("last", {}, { userId: "ada" })
  const ended = client.shutdown()
  await pass(6000)
  await ended
  expect(server.events).toEqual(["last", "last"])
  expect(told.codes).toEqual(["SERVER"])
})

test("shutdown ends in time and says what is lost", async () => {
  server.answer = () => "away"
  const client = start()
  client.track("lost", {}, { userId: "ada" })
  const ended = client.shutdown({ timeoutMs: 8000 })
  await pass(8001)
  await ended
  expect(told.codes).toEqual(["NETWORK", "NOT_SENT"])
})

test("events are sent when enough of them wait, and at the latest after the interval", async () => {
  const client = start({ flushAt: 3, flushIntervalMs: 5000 })
  for (let n = 0; n < 4; n++) client.track(`e${n}`, {}, { userId: "ada" })
  await pass(1)
  expect(server.events.slice(0, 3)).toEqual(["e0", "e1", "e2"])
  client.track("e4", {}, { userId: "ada" })
  await pass(5000)
  expect(new Set(server.events)).toEqual(new Set(["e0", "e1", "e2", "e3", "e4"]))
  expect(server.events).toHaveLength(5)
})

test("a server keeps more than a page: 10,000 messages", () => {
  const client = start({ flushAt: 1e9 })
  for (let n = 0; n < 1500; n++) client.track(`e${n}`, {}, { userId: "ada" })
  expect(told.codes).toEqual([])
})
