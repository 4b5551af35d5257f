/** Local evaluation on a server: one snapshot for many decisions, the server for what only it can decide. */
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { localEvaluation } from "../src/evaluation.js"
import { initTinyCDP } from "../src/index.js"
import type { TinyCDP, TinyCDPOptions } from "../src/types.js"
import { type Answer, ENDPOINT, type Got, KEY, ok, pass, READ, Server, Told } from "./world.js"

const START = Date.parse("2026-11-21T08:00:00Z")

let server: Server
let told: Told
/** What the server answers to `/v1/snapshot`, and under which ETag. */
let snapshot: Record<string, unknown>
let etag: string

const start = (options: Partial<TinyCDPOptions> = {}): TinyCDP =>
  initTinyCDP({
    endpoint: ENDPOINT,
    writeKey: KEY,
    readKey: READ,
    fetch: server.fetch,
    evaluation: localEvaluation(),
    ...told,
    ...options,
  })

function answered(request: Got): Answer {
  if (request.url.endsWith("/v1/snapshot")) {
    return request.headers["if-none-match"] === etag
      ? { status: 304, headers: { etag } }
      : { body: snapshot, headers: { etag } }
  }
  return request.url.includes("/ofrep/")
    ? { body: { key: "sticky", value: "asked", variant: "a", reason: "SPLIT" } }
    : ok()
}

const snapshots = () => server.got.filter((request) => request.url.endsWith("/v1/snapshot"))

beforeEach(() => {
  vi.useFakeTimers({ now: START })
  server = new Server()
  server.answer = answered
  told = new Told()
  etag = '"1"'
  snapshot = {
    format: 1,
    asOf: START,
    validUntil: null,
    revision: 1,
    version: 5,
    unit: "ada",
    flags: {
      offer: {
        off: "off",
        variants: { on: true, off: false },
        metadata: { team: "growth" },
        until: null,
        clauses: [
          {
            when: ["==", ["context", "string", "platform"], "ios"],
            serve: "on",
            reason: "TARGETING_MATCH",
            rule: "phones",
          },
          { serve: "off", reason: "DEFAULT" },
        ],
      },
      closing: {
        off: "off",
        variants: { on: true, off: false },
        steps: [
          { variant: "on", reason: "TARGETING_MATCH", rule: "hot", until: START + 2_000 },
          { variant: "off", reason: "DEFAULT", until: null },
        ],
      },
    },
  }
})

afterEach(() => vi.useRealTimers())

test("many decisions about a profile need one request", async () => {
  const client = start()
  for (let n = 0; n < 20; n++) {
    expect(await client.decide("offer", { userId: "ada", context: { platform: n % 2 ? "ios" : "web" } })).toMatchObject(
      {
        value: n % 2 === 1,
        reason: n % 2 ? "TARGETING_MATCH" : "DEFAULT",
      },
    )
  }
  expect(await client.decide("offer", { userId: "ada", context: { platform: "ios" } })).toMatchObject({
    metadata: { rule: "phones", team: "growth" },
  })
  expect(Object.keys(await client.decideAll({ userId: "ada" }))).toEqual(["offer", "closing"])
  expect(server.got).toHaveLength(1)
  expect(server.got[0]).toMatchObject({
    body: { userId: "ada", minVersion: 0 },
    headers: { authorization: `Bearer ${READ}` },
  })
})

test("an answer changes at its instant, without a request", async () => {
  const client = start()
  expect(await client.decide("closing", { userId: "ada" })).toMatchObject({ value: true })
  await pass(1_999)
  expect(await client.decide("closing", { userId: "ada" })).toMatchObject({ value: true })
  await pass(1)
  expect(await client.decide("closing", { userId: "ada" })).toMatchObject({ value: false })
  expect(server.got).toHaveLength(1)
})

test("questions that come together share a request, and profiles have one each", async () => {
  const client = start()
  await Promise.all([..."abcabc"].map((userId) => client.decide("offer", { userId })))
  expect(snapshots().map((request) => request.body.userId)).toEqual(["a", "b", "c"])
})

test("an old snapshot is asked about, and a new one is used", async () => {
  const client = start()
  await client.decide("offer", { userId: "ada" })
  await pass(10_001)
  await client.decide("offer", { userId: "ada" })
  expect(snapshots().at(-1)?.headers["if-none-match"]).toBe('"1"')
  etag = '"2"'
  snapshot = { ...snapshot, flags: {} }
  await pass(10_001)
  expect(await client.decide("offer", { userId: "ada" })).toMatchObject({
    errorCode: "FLAG_NOT_FOUND",
    reason: "ERROR",
  })
  expect(snapshots()).toHaveLength(3)
})

test("a decision includes what this client sent before", async () => {
  const client = start()
  await client.decide("offer", { userId: "ada" })
  client.track("open", {}, { userId: "ada" })
  await client.flush()
  await client.decide("offer", { userId: "ada" })
  expect(snapshots().map((request) => request.body.minVersion)).toEqual([0, 7])
})

test("what only the server can decide is asked for", async () => {
  snapshot = { ...snapshot, flags: { sticky: { ask: "sticky" } } }
  const client = start()
  expect(await client.decide("sticky", { userId: "ada" })).toMatchObject({ value: "asked" })
  expect(await client.decide("offer", { context: { targetingKey: "ada" } })).toMatchObject({ value: "asked" })
  expect(snapshots()).toHaveLength(1)
})

test("a snapshot of another format is left to newer clients", async () => {
  snapshot = { ...snapshot, format: 2 }
  expect(await start().decide("sticky", { userId: "ada" })).toMatchObject({ value: "asked" })
})

test("while the server is away what is known goes on, marked as stale, until it ends", async () => {
  snapshot = { ...snapshot, validUntil: START + 60_000 }
  const client = start()
  await client.decide("offer", { userId: "ada" })
  server.answer = () => "away"
  await pass(10_001)
  for (let n = 0; n < 5; n++) {
    expect(await client.decide("offer", { userId: "ada" })).toMatchObject({ value: false, reason: "STALE" })
  }
  expect(snapshots()).toHaveLength(2)
  expect(new Set(told.codes)).toEqual(new Set(["NETWORK"])) // for snapshots, and for what waits to be sent
  await pass(50_000)
  expect(await client.decide("offer", { userId: "ada" })).toMatchObject({ errorCode: "GENERAL", reason: "ERROR" })
})

test("a key that is refused ends local decisions", async () => {
  const client = start()
  await client.decide("offer", { userId: "ada" })
  server.answer = () => ({ status: 401, body: { code: "INVALID_KEY", message: "no" } })
  await pass(10_001)
  expect(await client.decide("offer", { userId: "ada" })).toMatchObject({ errorCode: "GENERAL" })
  expect(told.codes).toContain("INVALID_KEY")
})

test("exposures are reported once a day for each profile and variant", async () => {
  const client = start()
  for (const userId of ["ada", "ada", "bob"]) await client.decide("offer", { userId, context: { platform: "ios" } })
  await client.decideAll({ userId: "eve" })
  await client.flush()
  const sent = server.got
    .filter((request) => request.url.endsWith("/v1/batch"))
    .flatMap((request) => request.body.batch)
  expect(sent.map(({ type, userId, properties }) => [type, userId, properties])).toEqual(
    ["ada", "bob"].map((userId) => ["exposure", userId, { flag: "offer", variant: "on", rule: "phones" }]),
  )
})

test("as many snapshots are kept as asked for", async () => {
  const client = start({ evaluation: localEvaluation({ mostProfiles: 2 }) })
  for (const userId of ["a", "b", "a", "c", "a", "b"]) await client.decide("offer", { userId })
  expect(snapshots().map((request) => request.body.userId)).toEqual(["a", "b", "c", "b"])
})
