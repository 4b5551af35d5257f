/** Pausing a destination with a reason, and going on. */
import { Link } from "@tanstack/react-router"
import { type FormEvent, useState } from "react"
import type { Destination } from "../lib/api.ts"
import { RequestFailed } from "../lib/client.ts"
import { useMe } from "../lib/me.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Labelled } from "../ui/fields.tsx"
import { Failed } from "../ui/parts.tsx"
import { usePause, useResume } from "./queries.ts"

export function PauseDialog({ of, onClose }: { of: Destination; onClose: () => void }) {
  const me = useMe()
  const pause = usePause(of.key)
  const [reason, setReason] = useState("")
  function submit(event: FormEvent): void {
    event.preventDefault()
    pause.mutate(reason.trim(), { onSuccess: onClose })
  }
  return (
    <Dialog
      title={`Pause ${of.name}`}
      lead={
        <>
          In the environment <b className="environment">{me?.environment.key}</b>. Nothing is sent until it is resumed;
          what happens meanwhile waits.
        </>
      }
      onClose={onClose}
    >
      <form className="form" onSubmit={submit}>
        <Labelled label="Reason" hint="Shown beside its state.">
          {(names) => (
            <input
              {...names}
              className="field"
              value={reason}
              maxLength={1000}
              autoComplete="off"
              placeholder="The receiver moves"
              onChange={(event) => setReason(event.target.value)}
            />
          )}
        </Labelled>
        <Failed problem={pause.error} />
        <div className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={pause.isPending}>
            Pause
          </button>
        </div>
      </form>
    </Dialog>
  )
}

export function ResumeButton({ of }: { of: Destination }) {
  const resume = useResume(of.key)
  const [refused, setRefused] = useState<Error | null>(null)
  return (
    <>
      <button
        type="button"
        className="button primary"
        disabled={resume.isPending}
        onClick={() => resume.mutate(undefined, { onError: setRefused })}
      >
        Resume
      </button>
      {refused && (
        <Dialog title={`${of.name} is still paused`} onClose={() => setRefused(null)}>
          <div className="dialog-body">
            <Failed problem={refused} />
            {refused instanceof RequestFailed && refused.code === "DESTINATION_PAUSED" && (
              <p>
                <Link to="." search={{ edit: "yes" } as never}>
                  Edit its document
                </Link>
              </p>
            )}
          </div>
        </Dialog>
      )}
    </>
  )
}
