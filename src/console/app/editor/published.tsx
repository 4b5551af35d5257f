/** After a publish: how far its computation is, and the way back. */
import type { Definition } from "../definitions/kinds.ts"
import { count } from "../lib/format.ts"
import { Failed } from "../ui/parts.tsx"
import { type LastPublished, outcomeOf, undoOf, useLastPublished, usePublish, useRemember } from "./changes.ts"

export function PublishedNotice({ kind, name, live }: { kind: string; name: string; live?: Definition }) {
  const last = useLastPublished(kind, name)
  const remember = useRemember()
  const undo = usePublish()
  if (!last) return null
  const { progress = null, status } = live ?? {}
  const computing = live !== undefined && live.version === last.version && status !== "live"

  function takeBack(): void {
    if (!last) return
    const change = undoOf(last)
    undo.mutate(
      { change, note: `Undo of version ${last.version}` },
      { onSuccess: (answer) => remember(kind, name, outcomeOf(answer, change, true)) },
    )
  }

  return (
    <div className="notice" role="status" aria-label="Published">
      <div className="published">
        <p>{sentence(last, computing, `The ${kind} ${name}`)}</p>
        {computing && (
          <>
            <progress max={progress?.total || 1} value={progress?.done ?? 0} aria-label="Computed people" />
            {progress && (
              <p className="mute small">
                {count(progress.done)} of {count(progress.total)} people
                {progress.secondsLeft !== null && `, about ${Math.ceil(progress.secondsLeft)} s left`}
              </p>
            )}
          </>
        )}
        {undo.error && <Failed problem={undo.error} />}
      </div>
      <button type="button" className="button" disabled={undo.isPending} onClick={takeBack}>
        {last.undo ? "Redo" : "Undo"}
      </button>
      <button type="button" className="link" onClick={() => remember(kind, name, null)}>
        Dismiss
      </button>
    </div>
  )
}

function sentence({ undo, version, before }: LastPublished, computing: boolean, named: string): string {
  if (undo) return `Undone: version ${version} is as before.`
  const what = before === null ? `${named} is created` : `Version ${version} is published`
  return computing ? `${what}, and computed for all people before it serves.` : `${what}.`
}
