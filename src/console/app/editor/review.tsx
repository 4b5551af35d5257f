/** The last look before a change is published: the difference, whom it moves, and a note of why. */
import { type FormEvent, type ReactNode, useEffect, useState } from "react"
import type { Published } from "../lib/api.ts"
import { useMe } from "../lib/me.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Diff } from "../ui/diff.tsx"
import { Labelled } from "../ui/fields.tsx"
import { Answered, Failed, Waiting } from "../ui/parts.tsx"
import { type Change, useDryRun, usePreview, usePublish } from "./changes.ts"
import { COMMAND, useCommand } from "./commands.ts"
import { Effects } from "./preview.tsx"

interface ReviewProps {
  title: string
  action?: string
  /** What is to be known besides the difference. */
  children?: ReactNode
  change: Change
  /** What is counted; without it, nothing is. */
  previewed?: Change
  onClose: () => void
  onPublished: (published: Published) => void
  /** The server refused it: another editor was quicker, or a key is taken. */
  onRefused: (problem: Error) => void
}

export function Review(props: ReviewProps) {
  const { title, action = "Publish", change, previewed, onClose, onPublished, onRefused } = props
  const me = useMe()
  const [note, setNote] = useState("")
  const dry = useDryRun(change)
  const preview = usePreview(previewed)
  const publish = usePublish()
  // biome-ignore lint/correctness/useExhaustiveDependencies: who is told may be another function each time
  useEffect(() => {
    if (dry.error) onRefused(dry.error)
  }, [dry.error])
  const changed = dry.data?.changes.find(({ kind, key }) => kind === change.kind && key === change.key)
  const ready = dry.data !== undefined && !publish.isPending

  function go(): void {
    if (!ready) return
    // Not the callbacks of `mutate`: a page that is left meanwhile would not hear that its draft is published.
    publish.mutateAsync({ change, note: note.trim() }).then(onPublished, onRefused)
  }

  useCommand("Enter", go)

  function submit(event: FormEvent): void {
    event.preventDefault()
    go()
  }

  return (
    <Dialog
      wide
      title={title}
      lead={
        <p>
          In the environment <b className="environment">{me?.environment.key ?? "…"}</b>
        </p>
      }
      onClose={() => publish.isPending || onClose()}
    >
      <form className="review" onSubmit={submit}>
        {props.children}
        <Answered answer={dry} lines={4}>
          {({ changes, backfilling, warnings }) => (
            <>
              {changes.length === 0 && <p>Nothing differs from what is published.</p>}
              {changes.map((one) => (
                <Diff key={`${one.kind} ${one.key}`} text={one.text} />
              ))}
              {warnings.flatMap(({ kind, key, diagnostics }) =>
                diagnostics.map(({ code, message }) => (
                  <p key={`${kind} ${key} ${code} ${message}`} className="problem-warning">
                    {message} <code>{code}</code>
                  </p>
                )),
              )}
              {changed?.sameMeaning && <p>No profile moves: only its description or its layout differs.</p>}
              {backfilling && (
                <p className="mute">
                  It is computed for all people first. Until that is done,{" "}
                  {change.expects === 0 ? "it is unknown for everyone." : "the version of now serves on."}
                </p>
              )}
            </>
          )}
        </Answered>
        {previewed && !changed?.sameMeaning && (
          <div className="effects">
            {preview.data ? (
              <Effects of={preview.data} name={previewed.key} short />
            ) : preview.error ? (
              <Failed problem={preview.error} retry={() => preview.refetch()} />
            ) : (
              <Waiting lines={3} />
            )}
          </div>
        )}
        <Labelled label="Note" hint="Why; the history shows it.">
          {(names) => (
            <input
              {...names}
              className="field"
              value={note}
              autoComplete="off"
              onChange={(event) => setNote(event.target.value)}
            />
          )}
        </Labelled>
        {publish.error && <Failed problem={publish.error} />}
        <div className="dialog-foot">
          <button type="button" className="button" disabled={publish.isPending} onClick={onClose}>
            {props.children ? "Cancel" : "Back to editing"}
          </button>
          <button type="submit" className="button primary" disabled={!ready}>
            {publish.isPending ? "Publishing…" : action} <kbd>{COMMAND}Enter</kbd>
          </button>
        </div>
      </form>
    </Dialog>
  )
}
