/** Requests to the server that this page came from. */
import type { Problem as Answered } from "./api.ts"
import { parsed, written } from "./json.ts"
import { currentKey, signOut } from "./session.ts"

/** What the server has against one part of a body. */
export interface Problem {
  /** As `$.name`. */
  path: string
  message: string
  code: string
}

/** What the server, or the network, had against a request. */
export class RequestFailed extends Error {
  override name = "RequestFailed"
  readonly status: number
  readonly code: string
  /** The server asks to wait this long. */
  readonly retryAfterMs: number
  /** Which part of the body is wrong, as `$.name`; empty if none is. */
  readonly path: string
  /** All that is wrong with the body; the message is that of the first. */
  readonly problems: Problem[]

  constructor(
    status: number,
    code: string,
    message: string,
    retryAfterMs = 0,
    path = "",
    problems: Omit<Problem, "code">[] = [{ path, message }],
  ) {
    super(message)
    this.status = status
    this.code = code
    this.retryAfterMs = retryAfterMs
    this.path = path
    this.problems = problems.map((one) => ({ ...one, code }))
  }
}

/** What the server has against a part of the body, such as `$.name` or what is in it; empty if that is right. */
export function problemAt(problem: unknown, path: string): string {
  if (!(problem instanceof RequestFailed) || !isWithin(problem.path, path)) return ""
  const at = problem.message.indexOf(`${problem.path}: `)
  return at < 0 ? problem.message : problem.message.slice(at + problem.path.length + 2)
}

/** The problem, unless one of these places shows it. */
export function problemElsewhere(problem: Error | null, shown: string[]): Error | null {
  return shown.some((path) => problemAt(problem, path)) ? null : problem
}

/** Whether a path is the whole or a part of it. */
export function isWithin(path: string, whole: string): boolean {
  return path === whole || path.startsWith(`${whole}.`) || path.startsWith(`${whole}[`)
}

/** A list is a parameter that is repeated. */
export type Query = Record<string, string | number | readonly string[] | undefined>

/** `/v1/admin/segments/a%2Fb?limit=20` from its parts: each part of a path is encoded. */
export function address(path: readonly string[], query: Query = {}): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => [name, String(one)]),
  )
  const search = new URLSearchParams(given).toString()
  return `/v1/${path.map(encodeURIComponent).join("/")}${search && `?${search}`}`
}

export interface Sent {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  body?: unknown
  /** Sent as it is, instead of a body. */
  file?: Blob
  headers?: Record<string, string>
  signal?: AbortSignal
  /** Another key than the tab's, which is not forgotten if the server refuses it. */
  key?: string
}

/** The answer's JSON. Raises RequestFailed with the server's code and message. */
export async function ask<Answer>(url: string, sent: Sent = {}): Promise<Answer> {
  return parsed(await (await answered(url, sent)).text()) as Answer
}

/** The answer as the server sends it, such as a file. Raises RequestFailed for every other status than success. */
export async function answered(url: string, sent: Sent = {}): Promise<Response> {
  const key = sent.key ?? currentKey()
  const headers: Record<string, string> = {
    Authorization: `Bearer ${key}`,
    Accept: "application/json, */*;q=0.5",
    ...sent.headers,
  }
  if (sent.body !== undefined) headers["Content-Type"] = "application/json"
  if (sent.file) headers["Content-Type"] = "application/octet-stream"
  let answer: Response
  try {
    answer = await fetch(url, {
      method: sent.method ?? "GET",
      headers,
      body: sent.file ?? (sent.body === undefined ? undefined : written(sent.body)),
      signal: sent.signal,
      cache: "no-store",
      credentials: "omit",
    })
  } catch (problem) {
    if (sent.signal?.aborted) throw problem
    throw new RequestFailed(0, "OFFLINE", "The server does not answer. It may be restarting, or the network is away.")
  }
  if (answer.ok) return answer
  const failed = await failure(answer)
  // A key that another tab or person replaced meanwhile is not this request's to end.
  if (answer.status === 401 && sent.key === undefined && key === currentKey()) signOut(failed.message)
  throw failed
}

async function failure(answer: Response): Promise<RequestFailed> {
  const problem = (await answer.json().catch(() => ({}))) as Partial<
    Answered & { path: string; problems: Omit<Problem, "code">[] }
  >
  const wait = Number(answer.headers.get("Retry-After") ?? 0) * 1000
  const message = problem.message ?? `The server answered ${answer.status}.`
  return new RequestFailed(
    answer.status,
    problem.code ?? `HTTP_${answer.status}`,
    message,
    wait,
    problem.path,
    problem.problems,
  )
}
