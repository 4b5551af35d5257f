/**
 * How a text changes: lines that go begin with -, those that come with +, as the server writes them.
 *
 * Their places, which begin with @@, are left out.
 */
export function Diff({ text }: { text: string }) {
  const lines = text
    .replace(/\n$/, "")
    .split("\n")
    .filter((line) => !line.startsWith("@@"))
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <pre className="diff" tabIndex={0}>
      {lines.map((line, at) => {
        const sign = line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "same"
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines may repeat, and none of them moves
          <span key={at} className={sign}>
            {sign !== "same" && <span className="hidden">{sign}: </span>}
            {line || " "}
          </span>
        )
      })}
    </pre>
  )
}
