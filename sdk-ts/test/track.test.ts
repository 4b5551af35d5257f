// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { createTracker } from "../src/track.js"
import type { Tracker, TrackOptions } from "../src/types.js"
import { ENDPOINT, forgetEverything, hide, KEY, Locks, ok, pass, Server, setLocks, stored, Told } from "./world.js"

let server: Server
let told: Told
let open: Tracker[]

const start = (options: Partial<TrackOptions> = {}): Tracker => {
  const tracker = createTracker({ endpoint: ENDPOINT, writeKey: KEY, fetch: server.fetch, ...told, ...options })
  open.push(tracker)
  return tracker
}

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-11-21T08:00:00Z") })
  forgetEverything()
  setLocks(new Locks())
  server = new Server()
  told = new Told()
  open = []
})

afterEach(async () => {
  server.answer = () => ok()
  for (const tracker of open) void tracker.shutdown()
  await pass(1)
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe("sending", () => {
  test("an event is stored before anything else, and deleted when it is on the server", async () => {
    const tracker = start()
    tracker.track("purchase", { amount: 25 })
    expect(stored()).toHaveLength(1)
    expect(server.got).toHaveLength(0)
    await tracker.flush()
    expect(stored()).toHaveLength(0)
    const [request] = server.got
    expect(request).toMatchObject({ url: `${ENDPOINT}/v1/batch`, keepalive: true, body: { writeKey: KEY } })
    expect(request?.headers).toEqual({}) // a text without headers needs no preflight
    const [message] = request?.body.batch ?? []
    expect(message).toMatchObject({ type: "track", event: "purchase", properties: { amount: 25 } })
    expect(message.messageId.length).toBeLessThan(100)
    expect(message.timestamp).toBe("2026-11-21T08:00:00.000Z")
    expect(message.anonymousId).toBe(tracker.anonymousId())
  })

  test("events are sent in their order, when enough of them wait or the time is over", async () => {
    const tracker = start({ flushAt: 3, flushIntervalMs: 5000 })
    for (const name of ["a", "b"]) tracker.track(name)
    await pass(4999)
    expect(server.got).toHaveLength(0)
    await pass(2)
    expect(server.events).toEqual(["a", "b"])
    for (const name of ["c", "d", "e"]) tracker.track(name)
    await pass(1)
    expect(server.events).toEqual(["a", "b", "c", "d", "e"])
  })

  test("what an earlier page left is sent at the start", async () => {
    server.answer = () => "away"
    const before = start()
    before.track("left")
    await before.shutdown()
    server.answer = () => ok()
    start()
    await pass(10_000)
    expect(server.events.at(-1)).toBe("left")
    expect(stored()).toHaveLength(0)
  })

  test.each([0, 1])(
    "a server that fails is asked at most three times in 20 s, and then ever less (chance %d)",
    async (chance) => {
      vi.spyOn(Math, "random").mockReturnValue(chance * 0.999)
      server.answer = () => ({ status: 503 })
      const tracker = start({ flushAt: 1 })
      for (let n = 0; n < 20; n++) {
        tracker.track("try")
        await pass(1000)
      }
      expect(server.got.length).toBeLessThanOrEqual(3)
      await pass(3_600_000)
      const pauses = server.got.slice(1).map((request, n) => request.at - (server.got[n]?.at ?? 0))
      expect(Math.max(...pauses)).toBeLessThanOrEqual(300_001)
      expect(pauses.at(-1)).toBeGreaterThanOrEqual(225_000)
      expect(told.codes).toEqual(["SERVER"])
      server.answer = () => ok()
      await pass(300_001)
      expect(stored()).toHaveLength(0)
    },
  )

  test("an extension that blocks requests causes few of them, and no loss", async () => {
    server.answer = () => "away"
    const tracker = start()
    for (let n = 0; n < 30; n++) {
      tracker.track(`e${n}`)
      await pass(1000)
    }
    expect(server.got.length).toBeLessThanOrEqual(5)
    expect(told.codes).toEqual(["NETWORK"])
    expect(stored()).toHaveLength(30)
    server.answer = () => ok()
    window.dispatchEvent(new Event("online"))
    await pass(1)
    expect(stored()).toHaveLength(0)
    server.answer = () => "away"
    tracker.track("again")
    await pass(10_000)
    expect(told.codes).toEqual(["NETWORK", "NETWORK"])
  })

  test("the server's Retry-After is obeyed, by the next page as well", async () => {
    server.answer = () => ({ status: 429, headers: { "retry-after": "120" }, body: { code: "RATE_LIMIT" } })
    const tracker = start()
    tracker.track("a")
    await tracker.flush()
    await tracker.shutdown()
    server.answer = () => ok()
    start()
    await pass(119_000)
    expect(server.got).toHaveLength(1)
    await pass(1001)
    expect(server.got).toHaveLength(2)
  })

  test("a pause of before the clock was set back does not last for years", async () => {
    server.answer = () => "away"
    const tracker = start()
    tracker.track("a")
    await tracker.flush()
    vi.setSystemTime(Date.parse("2020-01-01T00:00:00Z"))
    server.answer = () => ok()
    await tracker.flush()
    expect(stored()).toHaveLength(0)
  })

  test.each([
    [401, { code: "INVALID_KEY", message: "Invalid write key." }, "INVALID_KEY"],
    [403, { code: "ORIGIN_NOT_ALLOWED", message: "no" }, "ORIGIN_NOT_ALLOWED"],
    [404, "<h1>nothing here</h1>", "HTTP_404"],
  ])("a refusal with %d drops what was refused, and is told once", async (status, body, code) => {
    server.answer = () => ({ status, body })
    const tracker = start({ flushAt: 1 })
    for (const name of ["a", "b", "c"]) {
      tracker.track(name)
      await pass(1)
    }
    expect(told.codes).toEqual([code])
    expect(stored()).toHaveLength(0)
    expect(server.got).toHaveLength(3)
  })

  test.each([
    [200, "<!doctype html>"],
    [200, { hello: "world" }],
    [204, ""],
  ])("an address that answers %d and is no TinyCDP loses nothing", async (status, body) => {
    server.answer = () => (status === 204 ? { status: 200, body } : { status, body })
    const tracker = start()
    tracker.track("a")
    await tracker.flush()
    expect(told.codes).toEqual(["WRONG_ENDPOINT"])
    expect(stored()).toHaveLength(1)
    expect(server.got).toHaveLength(1)
  })

  test("a body that is too large is halved until it fits; one message that does not fit is dropped", async () => {
    server.answer = ({ body }) =>
      body.batch.length > 2 || body.batch[0].event === "huge" ? { status: 413, body: { code: "BODY_TOO_LARGE" } } : ok()
    const tracker = start({ flushAt: 100 })
    for (let n = 0; n < 9; n++) tracker.track(n === 4 ? "huge" : `e${n}`)
    await tracker.flush()
    expect(stored()).toHaveLength(0)
    const arrived = server.got
      .filter((request) => request.body.batch.length <= 2)
      .flatMap((request) => request.body.batch)
    expect(new Set(arrived.map((one) => one.event))).toEqual(
      new Set(["e0", "e1", "e2", "e3", "huge", "e5", "e6", "e7", "e8"]),
    )
    expect(told.codes).toEqual(["BODY_TOO_LARGE"])
  })

  test("events that the server rejects are told by their codes", async () => {
    const rejected = [
      { code: "INVALID_EVENT_NAME", message: "blank" },
      { code: "INVALID_EVENT_NAME", message: "blank" },
    ]
    server.answer = () => ok({ rejected })
    const tracker = start()
    tracker.track("")
    await tracker.flush()
    tracker.track("")
    await tracker.flush()
    expect(told.problems).toEqual([{ code: "INVALID_EVENT_NAME", message: "blank" }])
  })

  test("all backends get the same events, each with its own key and pace", async () => {
    server.answer = ({ url }) => (url.startsWith("https://second") ? "away" : ok())
    const tracker = start({ backends: [{ endpoint: "https://second.example", writeKey: "write_another-key" }] })
    tracker.track("a")
    await tracker.flush()
    expect(stored()).toHaveLength(1)
    server.answer = () => ok()
    window.dispatchEvent(new Event("online"))
    await pass(1)
    const second = server.got.filter((request) => request.url.startsWith("https://second"))
    expect(second.map((request) => request.body.writeKey)).toEqual(["write_another-key", "write_another-key"])
    const [first] = server.got.filter((request) => request.url.startsWith(ENDPOINT))
    expect(second[1]?.body.batch).toEqual(first?.body.batch)
  })
})

describe("bounds", () => {
  test("the oldest of more than 1,000 are dropped, and that is told once", async () => {
    const tracker = start({ flushAt: 1e9 })
    tracker.track("e0")
    const [name] = stored() as [string]
    const text = localStorage.getItem(name) as string
    // Written by hand, because a thousand calls take long in this imitation of a browser.
    for (let n = 1; n < 1000; n++) {
      localStorage.setItem(name.replace(/m(.{9})/, `m$1${1000 + n}`), text.replace('"e0"', `"e${n}"`))
    }
    localStorage.removeItem(name)
    for (let n = 1000; n < 1005; n++) tracker.track(`e${n}`)
    expect(stored()).toHaveLength(1000)
    expect(told.codes).toEqual(["QUEUE_FULL"])
    const oldest = JSON.parse(localStorage.getItem(stored()[0] as string) as string)
    expect(oldest.event).toBe("e5")
  })

  test("so are the oldest of more than 1 MB", () => {
    const tracker = start({ flushAt: 1e9 })
    for (let n = 0; n < 45; n++) tracker.track(`e${n}`, { text: "x".repeat(25_000) })
    const characters = stored().reduce((sum, name) => sum + (localStorage.getItem(name) as string).length, 0)
    expect(characters).toBeLessThanOrEqual(1_000_000)
    expect(characters).toBeGreaterThan(950_000)
    expect(told.codes).toEqual(["QUEUE_FULL"])
  })

  test("what no server would take is dropped at once, and never thrown", async () => {
    const tracker = start()
    const circle: Record<string, unknown> = {}
    circle.self = circle
    tracker.track("circle", circle)
    tracker.track("big", { n: 10n })
    tracker.track("long", { text: "ü".repeat(20_000) })
    expect(told.codes).toEqual(["INVALID_EVENT", "EVENT_TOO_LARGE"])
    expect(stored()).toHaveLength(0)
  })

  test("an onError that throws disturbs nothing", async () => {
    server.answer = () => ({ status: 401, body: {} })
    const tracker = start({
      onError: () => {
        throw new Error("application")
      },
    })
    tracker.track("a")
    await tracker.flush()
    expect(stored()).toHaveLength(0)
  })

  test("a request has at most 60 KB", async () => {
    const tracker = start({ flushAt: 1e9 })
    for (let n = 0; n < 30; n++) tracker.track(`e${n}`, { text: "ü".repeat(5000) })
    await tracker.flush()
    expect(stored()).toHaveLength(0)
    expect(server.events).toHaveLength(30)
    for (const { body } of server.got)
      expect(new TextEncoder().encode(JSON.stringify(body)).length).toBeLessThan(61_000)
  })

  test.each(["full", "refused"])("storage that is %s loses nothing while the page lives", async (how) => {
    const refuse = () => {
      throw new DOMException("no", how === "full" ? "QuotaExceededError" : "SecurityError")
    }
    if (how === "full") vi.spyOn(Storage.prototype, "setItem").mockImplementation(refuse)
    const original = globalThis.localStorage
    const broken = new Proxy({} as Storage, { set: refuse, get: how === "full" ? () => undefined : refuse })
    Object.defineProperty(globalThis, "localStorage", { value: broken, configurable: true })
    try {
      const tracker = start()
      tracker.track("a")
      tracker.track("b")
      await tracker.flush()
      expect(server.events).toEqual(["a", "b"])
      expect(
        new Set(server.got.flatMap(({ body }) => body.batch.map((one: { anonymousId: string }) => one.anonymousId)))
          .size,
      ).toBe(1)
      expect(told.codes).toEqual(["STORAGE"])
    } finally {
      Object.defineProperty(globalThis, "localStorage", { value: original, configurable: true })
    }
  })
})

describe("leaving the page", () => {
  test("what waits goes out at once, stays stored until the answer, and is leased to it for 10 s", async () => {
    let answered: (answer: ReturnType<typeof ok>) => void = () => {}
    server.answer = () => new Promise((resolve) => (answered = resolve))
    const tracker = start()
    tracker.track("bounce")
    hide()
    expect(server.got).toHaveLength(1) // in the very task of the event
    expect(stored()).toHaveLength(1)
    const next = start()
    await pass(9000)
    expect(server.got).toHaveLength(1)
    answered(ok())
    await pass(1)
    expect(stored()).toHaveLength(0)
    await next.flush()
    expect(server.events).toEqual(["bounce"])
  })

  test("the next page repeats what was not answered, with the same id", async () => {
    server.answer = () => new Promise(() => {})
    const tracker = start()
    tracker.track("lost")
    window.dispatchEvent(new Event("pagehide"))
    const first = server.got[0]?.body.batch[0]
    server.answer = () => ok()
    start()
    await pass(9900)
    expect(server.got).toHaveLength(1)
    await pass(200)
    expect(server.got[1]?.body.batch[0]).toEqual(first)
  })

  test("requests that are cut off with their page are no reason for the next page to wait", async () => {
    let cut: (answer: "away") => void = () => {}
    server.answer = () => new Promise((resolve) => (cut = resolve))
    const tracker = start()
    tracker.track("cut off")
    void tracker.flush()
    await pass(1)
    window.dispatchEvent(new Event("pagehide"))
    cut("away")
    await pass(1)
    expect(told.codes).toEqual([])
    server.answer = () => ok()
    const next = start()
    next.track("bounce")
    hide()
    expect(server.got.at(-1)?.body.batch[0].event).toBe("bounce")
    await pass(11_000)
    expect(new Set(server.events)).toEqual(new Set(["cut off", "bounce"]))
  })

  test("a tab that is hidden still waits after failures", async () => {
    server.answer = () => "away"
    const tracker = start({ flushAt: 1 })
    hide()
    for (let n = 0; n < 30; n++) {
      tracker.track(`e${n}`)
      await pass(1000)
    }
    expect(server.got.length).toBeLessThanOrEqual(5)
  })

  test("a tab that is seen again sends what a closed one left", async () => {
    const closed = start()
    const other = start()
    server.answer = () => new Promise(() => {})
    closed.track("left behind")
    window.dispatchEvent(new Event("pagehide"))
    const repeated = () => server.got.filter(({ body }) => body.batch[0].event === "left behind")
    server.answer = () => ok()
    document.dispatchEvent(new Event("visibilitychange"))
    await pass(9000)
    expect(repeated()).toHaveLength(1)
    await pass(1100)
    expect(repeated()).toHaveLength(2)
    expect(stored()).toHaveLength(0)
    void other
  })

  test("during a pause nothing is sent: it is stored for the next page", async () => {
    server.answer = () => ({ status: 503 })
    const tracker = start()
    tracker.track("a")
    await tracker.flush()
    hide()
    window.dispatchEvent(new Event("pagehide"))
    expect(server.got).toHaveLength(1)
  })

  test("two tabs send each event once", async () => {
    const [one, two] = [start({ flushAt: 5 }), start({ flushAt: 5 })]
    server.answer = async () => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      return ok()
    }
    for (let n = 0; n < 40; n++) (n % 2 ? one : two).track(`e${n}`)
    await pass(20_000)
    expect(server.events).toHaveLength(40)
    expect(new Set(server.events).size).toBe(40)
  })

  test("two tabs without Web Locks send each event once", async () => {
    setLocks(undefined)
    const [one, two] = [start({ flushAt: 5 }), start({ flushAt: 5 })]
    server.answer = async () => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      return ok()
    }
    for (let n = 0; n < 40; n++) (n % 2 ? one : two).track(`e${n}`)
    await pass(30_000)
    expect(new Set(server.events).size).toBe(40)
    expect(server.events).toHaveLength(40)
  })
})

describe("who it is", () => {
  const sent = async (tracker: Tracker) => {
    tracker.track("look")
    await tracker.flush()
    return server.got.at(-1)?.body.batch.at(-1)
  }

  test("a visitor keeps the id, a user has both, and a reset forgets them", async () => {
    const tracker = start()
    const visitor = tracker.anonymousId()
    tracker.identify("ada", { plan: "pro" })
    expect(await sent(tracker)).toMatchObject({ userId: "ada", anonymousId: visitor })
    const later = start()
    expect(await sent(later)).toMatchObject({ userId: "ada", anonymousId: visitor })
    later.identify(undefined, { plan: "free" })
    expect(await sent(later)).toMatchObject({ userId: "ada" })
    later.reset()
    const after = await sent(later)
    expect(after.userId).toBeUndefined()
    expect(after.anonymousId).not.toBe(visitor)
  })

  test("a cookie keeps the id where storage was deleted", () => {
    const id = start().anonymousId()
    localStorage.clear()
    expect(start().anonymousId()).toBe(id)
  })

  test("an id that the server gave counts, and stays", () => {
    expect(start({ anonymousId: "a b;c" }).anonymousId()).toBe("a b;c")
    expect(start().anonymousId()).toBe("a b;c")
    localStorage.clear()
    expect(start().anonymousId()).toBe("a b;c")
  })

  test("a group is sent with the events that follow", async () => {
    const tracker = start()
    tracker.group("acme", { seats: 12 })
    expect((await sent(tracker)).context.groupId).toBe("acme")
    expect(server.got[0]?.body.batch[0]).toMatchObject({ type: "group", groupId: "acme", traits: { seats: 12 } })
  })

  test("a session ends after 30 minutes without an event, and not before", async () => {
    const tracker = start()
    const first = (await sent(tracker)).context.sessionId
    await pass(29 * 60_000)
    expect((await sent(tracker)).context.sessionId).toBe(first)
    await pass(29 * 60_000)
    expect((await sent(start())).context.sessionId).toBe(first)
    await pass(30 * 60_000 + 1)
    expect((await sent(tracker)).context.sessionId).not.toBe(first)
  })

  test("the context says where it happened", async () => {
    history.replaceState(null, "", "/shop?utm_source=mail&utm_campaign=spring&x=1")
    document.title = "Shop"
    const tracker = start()
    tracker.page("Start", { ab: 1 })
    await tracker.flush()
    const [message] = server.got[0]?.body.batch ?? []
    expect(message).toMatchObject({ type: "page", name: "Start", properties: { path: "/shop", title: "Shop", ab: 1 } })
    expect(message.context).toMatchObject({
      library: { name: "@tinycdp/sdk" },
      page: { path: "/shop", search: "?utm_source=mail&utm_campaign=spring&x=1", title: "Shop" },
      campaign: { source: "mail", name: "spring" },
      locale: navigator.language,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    })
    history.replaceState(null, "", "/")
  })
})

describe("consent", () => {
  test("without it nothing is stored or sent, and what was there is deleted", async () => {
    const before = start()
    before.identify("ada")
    before.track("waits")
    before.setConsent(false)
    expect(Object.keys(localStorage)).toEqual([])
    expect(document.cookie).not.toMatch(/=./)
    before.track("unseen")
    await pass(60_000)
    expect(server.got).toEqual([])
    const next = start({ consent: false })
    next.track("unseen")
    expect(next.anonymousId()).toBe(next.anonymousId())
    await pass(60_000)
    expect([Object.keys(localStorage), server.got]).toEqual([[], []])
    expect(document.cookie).not.toMatch(/=./)
  })

  test("given later, the visitor stays the one of this page", async () => {
    const tracker = start({ consent: false })
    const visitor = tracker.anonymousId()
    tracker.setConsent(true)
    tracker.track("seen")
    await tracker.flush()
    expect(server.got[0]?.body.batch[0].anonymousId).toBe(visitor)
    expect(start().anonymousId()).toBe(visitor)
  })

  test.each([
    ["doNotTrack", "1"],
    ["globalPrivacyControl", true],
  ])("%s counts as no consent if the page says so", async (name, value) => {
    Object.defineProperty(navigator, name, { value, configurable: true })
    try {
      start({ respectDoNotTrack: true }).track("unseen")
      expect(stored()).toHaveLength(0)
      start().track("seen")
      expect(stored()).toHaveLength(1)
    } finally {
      Object.defineProperty(navigator, name, { value: undefined, configurable: true })
    }
  })
})
