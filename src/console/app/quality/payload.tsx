import { Copyable } from "../ui/parts.tsx"
import { linesOf, markedLine } from "./placed.ts"

/** A message as it was sent. The line that a path means is marked. */
export function Payload({ of, path = "$" }: { of: string; path?: string }) {
  if (of === "") return <p className="mute">The message was not kept.</p>
  const lines = linesOf(of)
  const marked = markedLine(lines, path)
  return (
    <section aria-label="Message">
      <h3>Message</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
      <pre className="payload" tabIndex={0}>
        {lines.map(({ text }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines may repeat, and none of them moves
          <span key={index} className={index === marked ? "marked" : undefined}>
            {index === marked && <span className="hidden">The error is here: </span>}
            {text}
          </span>
        ))}
      </pre>
      <details className="raw">
        <summary>As one line, to copy</summary>
        <Copyable text={of} />
      </details>
    </section>
  )
}
