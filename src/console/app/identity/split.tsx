/** Split identifiers off a person: choose them, see what goes with them, and do it. */
import { useState } from "react"
import type { Profile, UnmergeResult } from "../lib/api.ts"
import { nameOf } from "../people/names.ts"
import { announce } from "../ui/announced.tsx"
import { Confirm, Dialog } from "../ui/dialog.tsx"
import { Tick } from "../ui/fields.tsx"
import { NoteField } from "./note.tsx"
import { type Identifier, useSplit, useSplitDryRun } from "./queries.ts"
import { Parted, Parting } from "./undo.tsx"

export function SplitDialog({ of, onClose }: { of: Profile; onClose: () => void }) {
  const [chosen, setChosen] = useState<Identifier[]>([])
  const [sure, setSure] = useState(false)
  if (sure) return <Split of={of} identifiers={chosen} onClose={onClose} />
  const all = chosen.length === of.identifiers.length
  return (
    <Dialog
      title={`Split identifiers off ${nameOf(of)}`}
      lead="They become a profile of their own, with the identifiers that they claim and all their events."
      onClose={onClose}
    >
      <div className="dialog-body">
        {of.identifiers.map((one) => (
          <Tick
            key={`${one.kind} ${one.value}`}
            label={<span className="break">{one.value}</span>}
            hint={one.kind}
            checked={chosen.includes(one)}
            onChange={(on) => setChosen(on ? [...chosen, one] : chosen.filter((other) => other !== one))}
          />
        ))}
        {all && <p className="mute">One at least has to stay.</p>}
      </div>
      <div className="dialog-foot">
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          className="button primary"
          disabled={chosen.length === 0 || all}
          onClick={() => setSure(true)}
        >
          See what goes
        </button>
      </div>
    </Dialog>
  )
}

function Split({ of, identifiers, onClose }: { of: Profile; identifiers: Identifier[]; onClose: () => void }) {
  const dry = useSplitDryRun(of.id, identifiers)
  const split = useSplit(of.id)
  const [note, setNote] = useState("")

  function done(result: UnmergeResult): void {
    onClose()
    announce(`person ${of.id}`, <Parted of={result} what="They are apart now" />)
  }

  return (
    <Confirm
      title={`Split ${nameOf(of)}?`}
      action="Split"
      busy={!dry.data || split.isPending}
      problem={split.error}
      onConfirm={() => split.mutate({ identifiers, note: note.trim() }, { onSuccess: done })}
      onClose={onClose}
    >
      <Parting of={dry} />
      <NoteField value={note} onChange={setNote} placeholder="Why they are two" />
    </Confirm>
  )
}
