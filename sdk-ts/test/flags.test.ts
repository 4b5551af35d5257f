// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { createFlags } from "../src/flags.js"
import { initTinyCDP } from "../src/index.js"
import type { Decision, Flags, TinyCDP, TinyCDPOptions } from "../src/types.js"
import {
  type Answer,
  ENDPOINT,
  forgetEverything,
  type Got,
  KEY,
  Locks,
  ok,
  pass,
  READ,
  Server,
  setLocks,
  Told,
} from "./world.js"

/** An EventSource that the test speaks through. */
class Stream {
  static open: Stream[] = []
  static opened = 0
  readyState = 1
  onmessage?: (event: { data: string }) => void
  onerror?: () => void
  constructor(readonly url: string) {
    Stream.open.push(this)
    Stream.opened += 1
  }
  close(): void {
    this.readyState = 2
    Stream.open = Stream.open.filter((one) => one !== this)
  }
  say(etag: string): void {
    this.onmessage?.({ data: JSON.stringify({ type: "refetchEvaluation", etag }) })
  }
  refuse(): void {
    this.close()
    this.onerror?.()
  }
}

/** The tabs of one browser hear each other, and not themselves. */
class Channel {
  static all = new Set<Channel>()
  onmessage?: (event: { data: unknown }) => void
  constructor(readonly name: string) {
    Channel.all.add(this)
  }
  postMessage(data: unknown): void {
    for (const other of Channel.all) {
      if (other !== this && other.name === this.name)
        setTimeout(() => other.onmessage?.({ data: structuredClone(data) }), 1)
    }
  }
  close(): void {
    Channel.all.delete(this)
  }
}

let server: Server
let told: Told
let open: (Flags | TinyCDP)[]
let flags: Decision[]
let holds: string | undefined
let etag: string

const asked = (): Got[] => server.got.filter((request) => request.url.includes("/ofrep/"))
const reported = () =>
  server.got.flatMap((request) => request.body.batch ?? []).filter((one) => one.type === "exposure")

function bulk(request: Got): Answer {
  const headers = { etag, ...(holds && { "x-valid-for": holds }) }
  if (request.headers["if-none-match"] === etag) return { status: 304, headers }
  const eventStreams = [{ type: "sse", endpoint: { requestUri: `/ofrep/v1/stream?token=${etag}` } }]
  return { body: { flags, eventStreams }, headers }
}

/** A batch of exposures alone changes no answer. */
const sent = ({ body }: Got): Answer =>
  ok({ accepted: body.batch.filter((one: { type: string }) => one.type !== "exposure").length })

const start = (options: Partial<TinyCDPOptions> = {}): TinyCDP => {
  const client = initTinyCDP({
    endpoint: ENDPOINT,
    writeKey: KEY,
    readKey: READ,
    fetch: server.fetch,
    ...told,
    ...options,
  })
  open.push(client)
  return client
}

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-11-21T08:00:00Z") })
  vi.stubGlobal("EventSource", Stream)
  vi.stubGlobal("BroadcastChannel", Channel)
  forgetEverything()
  setLocks(new Locks())
  Stream.open = []
  Stream.opened = 0
  Channel.all.clear()
  server = new Server()
  server.answer = (request) => (request.url.includes("/ofrep/") ? bulk(request) : sent(request))
  told = new Told()
  open = []
  flags = [
    { key: "premium", value: false, variant: "off", reason: "DEFAULT", metadata: {} },
    { key: "price", value: "9.99", variant: "control", reason: "SPLIT", metadata: { rule: "test" } },
    { key: "half", errorCode: "TARGETING_KEY_MISSING" } as Decision,
  ]
  holds = undefined
  etag = '"1"'
})

afterEach(async () => {
  for (const client of open) void client.shutdown()
  await pass(1)
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const answer = (value: boolean, tag: string) => {
  flags = [
    { key: "premium", value, variant: value ? "on" : "off", reason: "TARGETING_MATCH", metadata: { rule: "r" } },
    ...flags.slice(1),
  ]
  etag = tag
}

describe("answers", () => {
  test("come from memory, with the fallback for what has none or another type", async () => {
    const client = start()
    expect(client.flag("price", "fallback")).toBe("fallback")
    await client.ready()
    expect(client.flag("price", "fallback")).toBe("9.99")
    expect(client.flag("price", 3)).toBe(3)
    expect(client.flag("premium", true)).toBe(false)
    expect(client.flag("half", true)).toBe(true)
    expect(client.flag("nope", "fallback")).toBe("fallback")
    expect(client.peek("price")).toEqual(flags[1])
    const [request] = asked()
    expect(request?.body.context).toMatchObject({ anonymousId: client.anonymousId() })
    expect(request?.headers).toMatchObject({ "x-api-key": READ })
    expect(await client.decide("nope")).toEqual({ key: "nope", reason: "ERROR", errorCode: "FLAG_NOT_FOUND" })
    expect(Object.keys(await client.decideAll())).toEqual(["premium", "price", "half"])
  })

  test("of the last visit are there at once, marked CACHED, until the server confirms them with a 304", async () => {
    await start().ready()
    const client = start()
    expect(client.peek("price")).toMatchObject({ value: "9.99", reason: "CACHED" })
    await client.ready()
    expect(asked().at(-1)?.headers["if-none-match"]).toBe('"1"')
    expect(client.peek("price")).toMatchObject({ value: "9.99", reason: "SPLIT" })
  })

  test("of another context or user are not used", async () => {
    await start({ context: { plan: "pro" } }).ready()
    const client = start({ context: { plan: "free" } })
    expect(client.peek("price")).toBeUndefined()
    await client.ready()
    expect(asked().at(-1)?.headers["if-none-match"]).toBe("")
  })

  test("of the server that rendered the page come first, and keep their place until there are newer ones", async () => {
    const client = start({ bootstrap: { price: { key: "price", value: "7.99", variant: "lower" } } })
    expect(client.flag("price", "")).toBe("7.99")
    await client.ready()
    expect(client.flag("price", "")).toBe("9.99")
    client.hydrate({ price: { key: "price", value: "7.99" } })
    expect(client.flag("price", "")).toBe("9.99")
  })

  test("that changed are told by their keys; the others stay the same objects", async () => {
    const client = start()
    await client.ready()
    const before = client.peek("price")
    const changes: string[][] = []
    const end = client.onChange((keys) => changes.push(keys))
    answer(true, '"2"')
    Stream.open[0]?.say('"2"')
    await pass(1)
    expect(changes).toEqual([["premium"]])
    expect(client.peek("price")).toBe(before)
    expect(asked().at(-1)?.url).toContain(`flagConfigEtag=${encodeURIComponent('"2"')}`)
    end()
    answer(false, '"3"')
    Stream.open[0]?.say('"3"')
    await pass(1)
    expect(changes).toHaveLength(1)
  })

  test("are asked for again when they cease to hold, by a duration and not by this clock", async () => {
    holds = "90000"
    const client = start()
    await client.ready()
    vi.setSystemTime(Date.parse("2031-01-01T00:00:00Z"))
    answer(true, '"2"')
    holds = undefined
    await pass(89_000)
    expect(client.flag("premium", false)).toBe(false)
    await pass(1001)
    expect(client.flag("premium", false)).toBe(true)
    await pass(3_600_000)
    expect(asked()).toHaveLength(2)
  })

  test("include what was sent before", async () => {
    const client = start()
    await client.ready()
    client.track("purchase")
    answer(true, '"2"')
    expect((await client.decide("premium")).value).toBe(true)
    expect(asked().at(-1)?.url).toContain("minVersion=7&")
    const n = asked().length
    await client.decide("premium")
    expect(asked()).toHaveLength(n)
    await client.decide("premium", { minVersion: 99 })
    expect(asked().at(-1)?.url).toContain("minVersion=99&")
  })
})

describe("who is asked about", () => {
  test("a user is asked about after the server knows them", async () => {
    const client = start()
    await client.ready()
    client.identify("ada")
    await pass(1)
    const urls = server.got.map((request) => request.url)
    expect(urls.findIndex((url) => url.endsWith("/v1/batch"))).toBeLessThan(urls.length - 1)
    expect(asked().at(-1)?.body.context).toMatchObject({ userId: "ada", anonymousId: client.anonymousId() })
    expect(asked().at(-1)?.url).toContain("minVersion=7&")
    expect(client.flag("price", "")).toBe("9.99") // the visitor's answers stay meanwhile
  })

  test("one user's answers are never shown to another", async () => {
    const client = start()
    client.identify("ada")
    await pass(1)
    expect(client.flag("price", "")).toBe("9.99")
    server.answer = () => new Promise(() => {})
    client.reset()
    expect(client.flag("price", "")).toBe("")
  })

  test("an answer about another user that comes late is not taken", async () => {
    let release: (answer: Answer) => void = () => {}
    const client = start()
    await client.ready()
    const late = bulk(asked()[0] as Got)
    server.answer = (request) =>
      request.url.includes("/ofrep/") ? new Promise((resolve) => (release = resolve)) : ok()
    void client.setContext({ a: 1 })
    await pass(1)
    server.answer = (request) => (request.url.includes("/ofrep/") ? bulk(request) : ok())
    flags = [{ key: "price", value: "1", variant: "b" }]
    etag = '"b"'
    void client.setContext({ a: 2 })
    release(late)
    await pass(1)
    expect(client.flag("price", "")).toBe("1")
    expect(asked().at(-1)?.body.context).toMatchObject({ a: 2 })
  })
})

describe("exposures", () => {
  test("are reported when a value is used, once a day for each variant and person, over all pages", async () => {
    const client = start()
    await client.ready()
    client.peek("price")
    await client.decideAll()
    for (let n = 0; n < 3; n++) client.flag("price", "")
    await client.decide("price")
    await client.flush()
    expect(reported()).toHaveLength(1)
    expect(reported()[0]).toMatchObject({
      anonymousId: client.anonymousId(),
      properties: { flag: "price", variant: "control", rule: "test" },
    })
    expect(asked()[0]?.url).toContain("exposure=false&assign=true")
    const next = start()
    await next.ready()
    next.flag("price", "")
    await next.flush()
    expect(reported()).toHaveLength(1)
    await pass(24 * 3_600_000)
    next.flag("price", "")
    await next.flush()
    expect(reported()).toHaveLength(2)
  })

  test("of a stored answer name no rule: the flag may have changed", async () => {
    await start().ready()
    const client = start()
    client.flag("price", "")
    await client.flush()
    expect(reported()[0].properties).toEqual({ flag: "price", variant: "control" })
    await client.ready()
    client.flag("price", "")
    await client.flush()
    expect(reported()[1].properties).toEqual({ flag: "price", variant: "control", rule: "test" })
  })

  test("without a key for writing are recorded by the server", async () => {
    const client = createFlags({ endpoint: ENDPOINT, readKey: READ, fetch: server.fetch })
    open.push(client)
    await client.ready()
    client.flag("price", "")
    await pass(60_000)
    expect(server.got).toHaveLength(1)
    expect(asked()[0]?.url).not.toContain("exposure=")
  })
})

describe("streams", () => {
  test("eight tabs have one, and all hear of a change; the next tab takes over", async () => {
    const tabs = Array.from({ length: 8 }, () => start())
    await pass(10)
    expect(Stream.open).toHaveLength(1)
    answer(true, '"2"')
    const n = asked().length
    Stream.open[0]?.say('"2"')
    await pass(10)
    expect(tabs.map((tab) => tab.peek("premium")?.value)).toEqual(Array(8).fill(true))
    expect(asked()).toHaveLength(n + 1)
    await tabs[0]?.shutdown()
    await pass(10)
    expect(Stream.open).toHaveLength(1)
    answer(false, '"3"')
    Stream.open[0]?.say('"3"')
    await pass(10)
    expect(tabs.slice(1).map((tab) => tab.peek("premium")?.value)).toEqual(Array(7).fill(false))
  })

  test("one lasts through all changes, and ends with the visitor whom it is about", async () => {
    const client = start()
    await pass(10)
    for (let n = 2; n < 6; n++) {
      answer(n % 2 === 0, `"${n}"`)
      Stream.open[0]?.say(etag)
      await pass(10)
      expect(client.peek("premium")?.value).toBe(n % 2 === 0)
    }
    expect(Stream.opened).toBe(1)
    etag = '"6"'
    client.reset()
    await pass(10)
    expect([Stream.opened, Stream.open.length]).toEqual([2, 1])
  })

  test("what a stream says while answers are on their way is asked for behind them", async () => {
    const client = start()
    await pass(10)
    let release: (answer: Answer) => void = () => {}
    server.answer = (request) =>
      request.url.includes("/ofrep/") ? new Promise((resolve) => (release = resolve)) : ok()
    void client.setContext({ a: 1 })
    await pass(10)
    const slow = bulk(asked().at(-1) as Got)
    document.dispatchEvent(new Event("visibilitychange"))
    answer(true, '"2"')
    Stream.open[0]?.say('"2"')
    server.answer = (request) => (request.url.includes("/ofrep/") ? bulk(request) : ok())
    release(slow)
    await pass(10)
    expect(asked().at(-1)?.url).toContain(`flagConfigEtag=${encodeURIComponent('"2"')}`)
    expect(client.peek("premium")?.value).toBe(true)
  })

  test("a tab in another context asks for itself when something changed", async () => {
    start()
    await pass(10)
    const other = start({ context: { plan: "pro" } })
    await pass(10)
    answer(true, '"2"')
    Stream.open[0]?.say('"2"')
    await pass(10)
    expect(other.peek("premium")?.value).toBe(true)
    const n = asked().length
    await pass(60_000)
    expect(asked()).toHaveLength(n)
  })

  test("a refused stream gets a new address, ever less often", async () => {
    start()
    await pass(10)
    for (let n = 0; n < 5; n++) {
      etag = `"${n + 2}"`
      Stream.open[0]?.refuse()
      await pass(300_001)
      expect(Stream.open.map((stream) => stream.url)).toEqual([`${ENDPOINT}/ofrep/v1/stream?token=${etag}`])
    }
    expect(asked()).toHaveLength(6)
  })

  test("a page that is left gives its stream up, and takes it again when it comes back", async () => {
    start()
    await pass(10)
    window.dispatchEvent(new Event("pagehide"))
    await pass(10)
    expect(Stream.open).toHaveLength(0)
    window.dispatchEvent(new Event("pageshow"))
    await pass(10)
    expect(Stream.open).toHaveLength(1)
  })

  test.each([["switched off"], ["without Web Locks"]])(
    "%s, answers are renewed after events, when they cease to hold, and when the page is seen",
    async (how) => {
      if (how === "without Web Locks") setLocks(undefined)
      holds = "60000"
      const client = start(how === "switched off" ? { streaming: false } : {})
      await client.ready()
      expect(Stream.opened).toBe(0)
      client.track("a")
      await client.flush()
      await pass(1)
      expect(asked()).toHaveLength(2)
      await pass(60_001)
      expect(asked()).toHaveLength(3)
      document.dispatchEvent(new Event("visibilitychange"))
      await pass(1)
      expect(asked()).toHaveLength(4)
    },
  )
})

describe("trouble", () => {
  test("a server that is away is told once, and asked ever less; answers stay", async () => {
    await start().ready()
    server.answer = () => "away"
    const client = start()
    await client.ready()
    expect(client.flag("price", "")).toBe("9.99")
    const n = asked().length
    await pass(20_000)
    expect(asked().length - n).toBeLessThanOrEqual(2)
    await pass(3_600_000)
    expect(asked().length - n).toBeLessThan(25)
    expect(told.codes.filter((code) => code === "NETWORK").length).toBeLessThanOrEqual(2) // one address for each
    server.answer = (request) => (request.url.includes("/ofrep/") ? bulk(request) : ok())
    window.dispatchEvent(new Event("online"))
    await pass(1)
    expect(client.peek("price")?.reason).toBe("SPLIT")
  })

  test("an outage does not lengthen the pauses of the next one", async () => {
    const client = start({ writeKey: undefined as never })
    await client.ready()
    for (let n = 0; n < 3; n++) {
      server.answer = () => "away"
      document.dispatchEvent(new Event("visibilitychange"))
      await pass(200_000)
      server.answer = bulk
      await pass(300_000)
    }
    server.answer = () => "away"
    const before = asked().length
    document.dispatchEvent(new Event("visibilitychange"))
    await pass(5001)
    expect(asked()).toHaveLength(before + 2)
  })

  test.each([
    [401, "INVALID_KEY"],
    [403, "MISSING_SCOPE"],
  ])("a key that is refused with %d is told once, and not tried again by itself", async (status, code) => {
    server.answer = () => ({ status, body: { code, message: "no" } })
    const client = start({ writeKey: undefined as never })
    await client.ready()
    await pass(3_600_000)
    expect(server.got).toHaveLength(1)
    expect(told.codes).toEqual([code])
    expect(await client.decide("price")).toMatchObject({ reason: "ERROR", errorCode: "PROVIDER_NOT_READY" })
  })

  test("an address that is no TinyCDP is told", async () => {
    server.answer = () => ({ body: "<!doctype html>" })
    await start({ writeKey: undefined as never }).ready()
    expect(told.codes).toEqual(["WRONG_ENDPOINT"])
  })

  test("a version that nothing has yet is asked for once", async () => {
    const client = start()
    await client.ready()
    server.answer = (request) =>
      request.url.includes("minVersion=99")
        ? { status: 503, body: { code: "VERSION_AHEAD" }, headers: { "retry-after": "1" } }
        : bulk(request)
    await client.decide("price", { minVersion: 99 })
    await pass(10_000)
    expect(asked().filter((request) => request.url.includes("minVersion=99"))).toHaveLength(1)
    expect(client.peek("price")?.value).toBe("9.99")
  })

  test("a listener that throws disturbs no other", async () => {
    const client = start()
    const heard: string[][] = []
    client.onChange(() => {
      throw new Error("application")
    })
    client.onChange((keys) => heard.push(keys))
    await client.ready()
    expect(heard).toHaveLength(1)
  })

  test("without a key for reading there are no requests and no stream", async () => {
    const client = start({ readKey: undefined as never })
    await pass(60_000)
    expect(server.got).toHaveLength(0)
    expect(client.flag("price", "fallback")).toBe("fallback")
  })

  test("after shutdown nothing happens any more", async () => {
    holds = "1000"
    const client = start()
    await client.ready()
    await client.shutdown()
    const n = server.got.length
    await pass(3_600_000)
    expect([server.got.length, Stream.open.length]).toEqual([n, 0])
  })
})
