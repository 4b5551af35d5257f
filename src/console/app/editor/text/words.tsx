/** A source in plain English: the sentence, and its parts, each beside its characters. */
import type { ExplainedPart } from "../../lib/api.ts"
import { pointAt } from "./positions.ts"
import { type Asked, useExplained } from "./services.ts"

export type Part = Pick<ExplainedPart, "from" | "to">

interface WordsProps {
  asked: Asked
  /** The newest valid source; none while there are errors. */
  source: string | undefined
  current: string
  /** The offset that the pointer is at in the source. */
  pointed: number | null
  onPart: (part: Part | null) => void
}

export function Words({ asked, source, current, pointed, onPart }: WordsProps) {
  const answer = useExplained(asked, source ?? "")
  const said = answer.data
  const whole = said?.explained.tree[0]
  if (!whole || current.trim() === "") return <div className="words" />
  const stale = said.source !== current
  const parts = terms(whole)
  const at = pointed === null || stale ? null : pointAt(current, pointed)
  return (
    <div className="words" data-stale={stale || undefined}>
      <p className="sentence">{said.explained.text}</p>
      {parts.length > 1 && (
        <ul>
          {parts.map((part) => (
            <li
              key={`${part.from} ${part.to}`}
              data-pointed={(at !== null && part.from <= at && at < part.to) || undefined}
            >
              <button
                type="button"
                aria-label={`Show where: ${part.text}`}
                onPointerEnter={() => stale || onPart(part)}
                onPointerLeave={() => onPart(null)}
                onFocus={() => stale || onPart(part)}
                onBlur={() => onPart(null)}
              >
                {part.text}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

/** The parts that say something of a person by themselves: those of the outermost "and", "or". */
function terms(whole: ExplainedPart): ExplainedPart[] {
  return (whole.parts ?? []).filter(({ text }) => /^(They|Their|It|The|No|Either|Not)\b/.test(text))
}
