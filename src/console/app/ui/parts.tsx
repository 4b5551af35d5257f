/** The small parts that pages are made of. */
import type { ReactNode } from "react"
import { useEffect, useState } from "react"
import { RequestFailed } from "../lib/client.ts"
import { count, exactCount, relative, value as shown, whole } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { tokens } from "../lib/tokens.ts"

const LATE_MS = 150

/** An expression, coloured. Its text is not changed. */
export function Code({ source, inline = false }: { source: string; inline?: boolean }) {
  let at = 0
  const parts = tokens(source).map((token) => {
    const key = at
    at += token.text.length
    return token.kind === "other" ? (
      token.text
    ) : (
      <span key={key} className={`token-${token.kind}`}>
        {token.text}
      </span>
    )
  })
  if (inline) return <code className="code-inline">{parts}</code>
  return (
    <pre className="code">
      <code>{parts}</code>
    </pre>
  )
}

/** The current time, which advances each second or minute. */
export function useNow(everyMs = 30_000): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}

/** An instant relative to now, the exact one in its tooltip; a dash without one. */
export function When({ at, none = "—" }: { at: string | null; none?: string }) {
  const zone = useZone()
  const instant = at === null ? 0 : Date.parse(at)
  const soon = Math.abs(instant - Date.now()) < 3_600_000
  const now = useNow(soon ? 1000 : 30_000)
  if (at === null) return <span className="mute">{none}</span>
  return (
    <time dateTime={at} title={whole(at, zone)}>
      {relative(instant, now)}
    </time>
  )
}

export function Count({ n }: { n: number | null }) {
  if (n === null) return <span className="mute">—</span>
  return (
    <span className="number" title={exactCount(n)}>
      {count(n)}
    </span>
  )
}

/** A value of a trait or property. */
export function Value({ of }: { of: unknown }) {
  if (of === null || of === undefined) return <span className="mute">unknown</span>
  if (typeof of === "boolean") return <span className={of ? "value yes" : "value no"}>{of ? "yes" : "no"}</span>
  return <span className="value">{shown(of)}</span>
}

export type Tone = "good" | "warn" | "bad" | "info" | "quiet"

export function Badge({ tone = "quiet", children }: { tone?: Tone; children: ReactNode }) {
  return <span className={`badge ${tone}`}>{children}</span>
}

/** Lines of the height that the answer will have; shown only if it takes a moment. */
export function Waiting({ lines = 6 }: { lines?: number }) {
  const [late, setLate] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), LATE_MS)
    return () => clearTimeout(timer)
  }, [])
  return (
    <div className="waiting" aria-busy="true" data-late={late || undefined}>
      <span className="hidden">Loading</span>
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike
        <div key={line} />
      ))}
    </div>
  )
}

/** What went wrong, its code, and another try; nothing if nothing did. */
export function Failed({ problem, retry }: { problem: Error | null; retry?: () => void }) {
  if (!problem) return null
  const code = problem instanceof RequestFailed ? problem.code : problem.name
  return (
    <div className="notice bad" role="alert">
      <p>
        {problem.message} <code>{code}</code>
      </p>
      {retry && (
        <button type="button" className="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}

/** What a page says when it has nothing, with a command to copy. */
export function Empty({ title, children, command }: { title: string; children?: ReactNode; command?: string }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
      {command && <Copyable text={command} />}
    </div>
  )
}

/** A text with a button that copies it. */
export function Copyable({ text }: { text: string }) {
  const [copied, setCopied] = useState(false)
  async function copy(): Promise<void> {
    await navigator.clipboard.writeText(text)
    setCopied(true)
    setTimeout(() => setCopied(false), 2000)
  }
  return (
    <div className="copyable">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
      <pre tabIndex={0}>{text}</pre>
      <button type="button" className="button" onClick={copy}>
        {copied ? "Copied" : "Copy"}
      </button>
    </div>
  )
}

interface Answer<Data> {
  data: Data | undefined
  error: Error | null
  dataUpdatedAt: number
  refetch: () => unknown
}

/**
 * A part of a page that shows an answer: lines while it is awaited, the problem if it fails.
 *
 * Laws: an answer that is there stays when a later request fails, dimmed, with the instant that it is of.
 */
export function Answered<Data>(props: { answer: Answer<Data>; lines?: number; children: (data: Data) => ReactNode }) {
  const { answer, lines, children } = props
  if (answer.data === undefined) {
    return answer.error ? <Failed problem={answer.error} retry={() => answer.refetch()} /> : <Waiting lines={lines} />
  }
  return (
    <>
      {answer.error && (
        <div className="notice warn" role="status">
          <p>
            {answer.error.message} This is as of <When at={new Date(answer.dataUpdatedAt).toISOString()} />.
          </p>
          <button type="button" className="button" onClick={() => answer.refetch()}>
            Try again
          </button>
        </div>
      )}
      <div className="answer" data-stale={answer.error ? "" : undefined}>
        {children(answer.data)}
      </div>
    </>
  )
}

/** A title, what stands beside it, and the content of a page. */
export function Page(props: {
  title: string
  /** The list that this page is of. */
  above?: ReactNode
  lead?: ReactNode
  aside?: ReactNode
  children: ReactNode
}) {
  useEffect(() => {
    document.title = `${props.title} · TinyCDP`
  }, [props.title])
  return (
    <>
      <header className="page-head">
        <div>
          {props.above && <p className="crumb">{props.above}</p>}
          <h1>{props.title}</h1>
          {props.lead && <p className="lead">{props.lead}</p>}
        </div>
        {props.aside}
      </header>
      {props.children}
    </>
  )
}

export function Panel({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="panel" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  )
}

/** What stands in the place of a page that shows nothing to a key that only reads. */
export function NeedsAdmin({ what }: { what: string }) {
  return (
    <Empty title="This key may not see it" command="tinycdp key create --scope admin">
      <p>{what} need a key with the scope admin. Sign out, and sign in with such a key. This makes one:</p>
    </Empty>
  )
}
