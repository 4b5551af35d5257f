/** For an empty text: how to go on, and a first text for each of the busiest events. */
import { useEvents } from "../../registry/queries.ts"
import type { EditedKind } from "../fields.ts"
import { firstTexts } from "./first_texts.ts"

export function Beginnings({ kind, choose }: { kind: EditedKind; choose: (expression: string) => void }) {
  const { data } = useEvents()
  const offered = firstTexts(data?.events ?? [], kind)
  return (
    <div className="beginnings">
      <p className="mute">
        <kbd>Ctrl Space</kbd> in the field shows what can be written.
        {offered.length > 0 && " Or begin with one of these:"}
      </p>
      <ul>
        {offered.map((expression) => (
          <li key={expression}>
            <button type="button" className="fix" onClick={() => choose(expression)}>
              {expression}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
