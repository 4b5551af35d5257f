/** A browser's surroundings for tests: a clock by hand, a server that answers what it is told, locks. */
import { vi } from "vitest"
import type { Problem } from "../src/types.js"

export const KEY = "write_0123456789abcdef"
export const READ = "read_fedcba9876543210"
export const ENDPOINT = "https://cdp.example"

/** One request that the server got. */
export interface Got {
  url: string
  // biome-ignore lint/suspicious/noExplicitAny: whatever was sent
  body: any
  headers: Record<string, string>
  keepalive: boolean
  at: number
}

export type Answer = { status?: number; body?: unknown; headers?: Record<string, string> } | "away"

export const ok = (more: object = {}): Answer => ({
  body: { success: true, accepted: 1, duplicates: 0, version: 7, rejected: [], ...more },
})

/** A server. `answer` is asked for each request. */
export class Server {
  got: Got[] = []
  answer: (request: Got) => Answer | Promise<Answer> = () => ok()

  readonly fetch = vi.fn(async (url: string, init: RequestInit): Promise<Response> => {
    const request: Got = {
      url: String(url),
      body: JSON.parse(init.body as string),
      headers: (init.headers ?? {}) as Record<string, string>,
      keepalive: !!init.keepalive,
      at: Date.now(),
    }
    this.got.push(request)
    const answer = await this.answer(request)
    if (answer === "away") throw new TypeError("Failed to fetch")
    const { status = 200, body, headers = {} } = answer
    const text = typeof body === "string" ? body : JSON.stringify(body ?? {})
    return new Response(status === 304 ? null : text, { status, headers })
  }) as unknown as typeof fetch

  /** The names of the events that arrived, in order, repeats included. */
  get events(): string[] {
    return this.got.flatMap((request) =>
      request.body.batch.map((one: { event?: string; type: string }) => one.event ?? one.type),
    )
  }
}

/** Web Locks, as a browser has them for all its tabs. */
export class Locks {
  private readonly queues = new Map<string, Promise<unknown>>()

  request(name: string, ...rest: unknown[]): Promise<unknown> {
    const run = rest.at(-1) as () => Promise<unknown>
    const { signal } = (rest.length > 1 ? rest[0] : {}) as { signal?: AbortSignal }
    const before = this.queues.get(name) ?? Promise.resolve()
    const mine = before.then(() => {
      if (signal?.aborted) throw new DOMException("aborted", "AbortError")
      return run()
    })
    this.queues.set(
      name,
      mine.catch(() => {}),
    )
    return mine
  }
}

/** Problems that were told. */
export class Told {
  problems: Problem[] = []
  readonly onError = (problem: Problem): void => void this.problems.push(problem)
  get codes(): string[] {
    return this.problems.map((problem) => problem.code)
  }
}

/** What is stored, without the prefix and the tail of the key. */
export const stored = (kind = "m"): string[] =>
  Object.keys(localStorage)
    .filter((name) => new RegExp(`^tcdp\\..{8}\\..{8}\\.${kind}`).test(name))
    .sort()

/** Let time pass, with everything that happens in it. */
export const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms)

export function hide(): void {
  Object.defineProperty(document, "hidden", { value: true, configurable: true })
  document.dispatchEvent(new Event("visibilitychange"))
  Object.defineProperty(document, "hidden", { value: false, configurable: true })
}

export function setLocks(locks: Locks | undefined): void {
  Object.defineProperty(navigator, "locks", { value: locks, configurable: true })
}

export function forgetEverything(): void {
  localStorage.clear()
  // biome-ignore lint/suspicious/noDocumentCookie: as the SDK does
  for (const one of document.cookie.split("; ")) document.cookie = `${one.split("=")[0]}=;path=/;max-age=0`
}
