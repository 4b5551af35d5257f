/** Undo a merge: what each profile has after it, and the way there. */
import { useNavigate } from "@tanstack/react-router"
import { useState } from "react"
import type { UnmergeResult } from "../lib/api.ts"
import { plural } from "../lib/format.ts"
import { nameOf } from "../people/names.ts"
import { announce } from "../ui/announced.tsx"
import { Confirm } from "../ui/dialog.tsx"
import { Answered } from "../ui/parts.tsx"
import { NoteField } from "./note.tsx"
import { useUndo, useUndoDryRun } from "./queries.ts"
import { Named, PersonLink, StateOf } from "./states.tsx"

/** A button that asks whether to undo a merge. */
export function UndoNow({ merge, title = "Undo" }: { merge: string; title?: string }) {
  const [asked, setAsked] = useState(false)
  return (
    <>
      <button type="button" className="link inline" onClick={() => setAsked(true)}>
        {title}
      </button>
      {asked && <UndoDialog merge={merge} onClose={() => setAsked(false)} />}
    </>
  )
}

/** Asks whether to undo a merge. The page of the first profile, or the place that is given, says what was done. */
export function UndoDialog(props: { merge: string; place?: string; onClose: () => void }) {
  const { merge, place, onClose } = props
  const dry = useUndoDryRun(merge)
  const undo = useUndo(merge)
  const [note, setNote] = useState("")
  const navigate = useNavigate()

  function done(result: UnmergeResult): void {
    onClose()
    const [first] = result.after
    announce(place ?? `person ${first?.id}`, <Parted of={result} what="The merge is undone" />)
    if (place === undefined && first)
      void navigate({ to: "/users/$id", params: { id: first.id }, search: { by: "profileId" } as never })
  }

  return (
    <Confirm
      title="Undo this merge?"
      action="Undo the merge"
      busy={!dry.data || undo.isPending}
      problem={undo.error}
      onConfirm={() => undo.mutate({ note: note.trim() }, { onSuccess: done })}
      onClose={onClose}
    >
      <Parting of={dry} />
      <NoteField value={note} onChange={setNote} placeholder="Why they are two" />
    </Confirm>
  )
}

/** What an undo or a split would do. */
export function Parting({ of }: { of: Parameters<typeof Answered<UnmergeResult>>[0]["answer"] }) {
  return (
    <Answered answer={of} lines={6}>
      {({ before, after, keptApart }) => (
        <div className="dry-run">
          <p>
            {before.length === 1 ? "One profile becomes" : `${before.length} profiles become`} {after.length}. Each
            event goes with the identifier that it came with.
          </p>
          {after.map((state) => (
            <StateOf key={state.id} of={state} before={before} kept={before.some(({ id }) => id === state.id)} />
          ))}
          {keptApart.length > 0 && (
            <>
              <p className="mute">
                Messages join {keptApart.length === 1 ? "this pair" : "these pairs"} no more; a new alias call or a
                merge does:
              </p>
              <ul className="identifiers">
                {keptApart.map(({ one, other }) => (
                  <li key={`${one.kind} ${one.value} ${other.kind} ${other.value}`}>
                    <Named of={one} /> <span className="mute">and</span> <Named of={other} />
                  </li>
                ))}
              </ul>
            </>
          )}
        </div>
      )}
    </Answered>
  )
}

/** What an undo or a split did, with links to the profiles. */
export function Parted({ of, what }: { of: UnmergeResult; what: string }) {
  return (
    <p>
      {what}. {plural(of.after.length, "profile")}:{" "}
      {of.after.map((state, at) => (
        <span key={state.id}>
          {at > 0 && ", "}
          <PersonLink id={state.id}>{nameOf(state)}</PersonLink>
        </span>
      ))}
      .
    </p>
  )
}
