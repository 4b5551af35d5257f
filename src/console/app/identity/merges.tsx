/** Merges as lists show them: what became one, when and why, and the way back. */
import type { Merge } from "../lib/api.ts"
import { Badge, When } from "../ui/parts.tsx"
import { Named, NamedList, PersonLink } from "./states.tsx"
import { UndoNow } from "./undo.tsx"
import { causeOf } from "./words.ts"

export function MergeList({ of }: { of: Merge[] }) {
  return (
    <ol className="merges">
      {of.map((merge) => (
        <li key={merge.id} data-undone={merge.undoneAt !== null || undefined}>
          <MergeRow of={merge} />
        </li>
      ))}
    </ol>
  )
}

function MergeRow({ of }: { of: Merge }) {
  const [one, other] = of.by
  return (
    <article aria-label={`Merge ${of.id}`}>
      <header>
        <p>
          <PersonLink id={of.survivor} /> <span className="mute">absorbed profile {of.absorbed}</span>
        </p>
        <p className="mute when">
          <When at={of.mergedAt} />
          {of.undoneAt === null && <UndoNow merge={of.id} title="Undo…" />}
        </p>
      </header>
      <p className="small">
        {one && other && (
          <>
            <Named of={one} /> <span className="mute">and</span> <Named of={other} /> <span className="mute">
              ·
            </span>{" "}
          </>
        )}
        <span className="mute">
          {causeOf(of)}
          {of.author !== null && `, ${of.author}`}
          {of.messageId !== null && `, message ${of.messageId}`}
        </span>
      </p>
      {of.note && <p className="small note">{of.note}</p>}
      {of.moved.length > 0 && (
        <div className="small moved">
          <span className="mute">moved</span>
          <NamedList of={of.moved} />
        </div>
      )}
      {of.undoneAt !== null && (
        <p className="small">
          <Badge>undone</Badge> <When at={of.undoneAt} />
          <span className="mute">
            {of.undoneBy !== null && ` by ${of.undoneBy}`}
            {of.undoNote && `: ${of.undoNote}`}
          </span>
        </p>
      )}
    </article>
  )
}
