/** Erase people, or keep what they did without who they were: what goes is counted first. */
import { useNavigate } from "@tanstack/react-router"
import { type ReactNode, useState } from "react"
import { NoteField } from "../identity/note.tsx"
import type { Erasure } from "../lib/api.ts"
import { plural } from "../lib/format.ts"
import { announce } from "../ui/announced.tsx"
import { Confirm } from "../ui/dialog.tsx"
import { Choice, Tick } from "../ui/fields.tsx"
import { Answered } from "../ui/parts.tsx"
import { Counts } from "./counts.tsx"
import { type ErasureOf, useErase, useErasureDryRun } from "./queries.ts"

const KINDS = [
  { value: "erasure", title: "Erase everything" },
  { value: "anonymization", title: "Anonymise" },
] as const

/** `profiles` are named as the server takes them; `typed` has to be typed before the button works. */
export function EraseDialog(props: {
  title: string
  profiles: string[]
  typed: string
  lead?: ReactNode
  onClose: () => void
}) {
  const { profiles, onClose } = props
  const [kind, setKind] = useState<ErasureOf["kind"]>("erasure")
  const [suppress, setSuppress] = useState(false)
  const [note, setNote] = useState("")
  const dry = useErasureDryRun({ profiles, kind, suppress })
  const erase = useErase()
  const navigate = useNavigate()
  const anonymous = kind === "anonymization"

  function done(receipt: Erasure): void {
    onClose()
    announce(
      "privacy",
      <p>
        {plural(receipt.profiles, "profile")} with {plural(receipt.identifiers, "identifier")}{" "}
        {receipt.profiles === 1 ? "is" : "are"} {anonymous ? "anonymised" : "erased"}. This is the receipt.
      </p>,
    )
    void navigate({ to: "/privacy", search: { receipt: receipt.id ?? undefined } as never })
  }

  return (
    <Confirm
      title={props.title}
      action={anonymous ? "Anonymise" : "Erase"}
      typed={props.typed}
      busy={!dry.data || dry.isFetching || erase.isPending}
      problem={erase.error}
      onConfirm={() => erase.mutate({ profiles, kind, suppress, note: note.trim() }, { onSuccess: done })}
      onClose={onClose}
    >
      {props.lead}
      <Choice label="What happens" options={KINDS} value={kind} onChange={setKind} />
      <p className="mute">
        {anonymous
          ? "What happened stays in the figures, under a random id and without texts. Who it was is gone."
          : "Events, properties, memberships and everything else that names them go, from figures too."}{" "}
        This cannot be undone.
      </p>
      <Answered answer={dry} lines={6}>
        {(receipt) => (
          <div className="dry-run">
            <p>
              <b>
                {plural(receipt.profiles, "profile")} with {plural(receipt.identifiers, "identifier")}
              </b>
              {receipt.profileIds.length > receipt.profiles &&
                `, ${plural(receipt.profileIds.length, "profile id")} with those that were merged`}
              .
            </p>
            <Counts of={receipt} will />
          </div>
        )}
      </Answered>
      <Tick
        label="Also reject messages with these identifiers from now on"
        hint="Without it, the next message makes a new profile."
        checked={suppress}
        onChange={setSuppress}
      />
      <NoteField
        value={note}
        onChange={setNote}
        placeholder="ticket 4711"
        hint="It stays in the receipt: no personal data."
      />
    </Confirm>
  )
}
