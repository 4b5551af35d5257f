/** A request and an answer, as they are on the wire. */
import { RequestFailed } from "../../lib/client.ts"
import { written } from "../../lib/json.ts"
import { Answered } from "../../ui/parts.tsx"
import { useMessage } from "../queries.ts"

/** A message of the log, made again. */
export function MadeRequest({ name, seq }: { name: string; seq: number }) {
  const answer = useMessage(name, seq)
  if (answer.error instanceof RequestFailed && answer.error.status === 404)
    return <p className="mute">The request cannot be made again: {answer.error.message}</p>
  return (
    <section aria-label="Request">
      <h3>Request</h3>
      <p className="mute small">
        Made again from what is true now: bodies are not kept, and headers of the destination are not shown.
      </p>
      <Answered answer={answer} lines={6}>
        {(made) => <Wire first={`${made.method} ${made.url}`.trim()} headers={made.headers} body={made.body} />}
      </Answered>
    </section>
  )
}

/** Headers and a body. */
export function Wire({ first, headers, body }: { first?: string; headers: Record<string, string>; body: unknown }) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
      <pre className="code wire-headers" tabIndex={0}>
        {[...(first ? [first] : []), ...lines].join("\n")}
      </pre>
      {body === null ? (
        <p className="mute">It has no body.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: as above
        <pre className="code wire-body" tabIndex={0}>
          {typeof body === "string" ? body : written(body, 2)}
        </pre>
      )}
    </>
  )
}

/** The beginning of what a failed attempt was answered. */
export function Answer({ text, failed }: { text: string; failed: boolean }) {
  if (!failed) return null
  return (
    <section aria-label="Answer">
      <h3>Answer</h3>
      {text ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
        <pre className="code" tabIndex={0}>
          {text}
        </pre>
      ) : (
        <p className="mute">It had no body.</p>
      )}
    </section>
  )
}
