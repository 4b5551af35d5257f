/** Reject messages with some identifiers, or accept them again. */
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { NoteField } from "../identity/note.tsx"
import type { SuppressionChange } from "../lib/api.ts"
import { plural } from "../lib/format.ts"
import { announce } from "../ui/announced.tsx"
import { Confirm } from "../ui/dialog.tsx"
import { Tick } from "../ui/fields.tsx"
import { Answered } from "../ui/parts.tsx"
import { type Identifier, type SuppressionOf, useSuppress, useSuppressionDryRun } from "./queries.ts"

/** `place` is the page that says what was done. */
export function SuppressDialog(props: {
  identifiers: Identifier[]
  release?: boolean
  place: string
  onClose: () => void
}) {
  const { identifiers, release = false, onClose } = props
  const [chosen, setChosen] = useState(identifiers)
  const [note, setNote] = useState("")
  const of: SuppressionOf = { identifiers: chosen, release }
  const dry = useSuppressionDryRun(of)
  const suppress = useSuppress()

  function done({ changed }: SuppressionChange): void {
    onClose()
    const what = plural(changed, "identifier")
    announce(
      props.place,
      release ? (
        <p>Messages with {what} are accepted again.</p>
      ) : (
        <p>
          Messages with {what} are rejected from now on.{" "}
          <Link to="/privacy" search={{ tab: "suppressions" } as never}>
            All suppressions
          </Link>
        </p>
      ),
    )
  }

  return (
    <Confirm
      title={release ? "Accept messages again?" : "Reject messages?"}
      action={release ? "Accept again" : "Suppress"}
      busy={chosen.length === 0 || !dry.data || suppress.isPending}
      problem={suppress.error}
      onConfirm={() => suppress.mutate({ ...of, note: note.trim() }, { onSuccess: done })}
      onClose={onClose}
    >
      <p>
        {release
          ? "Messages with these identifiers are taken again. What was rejected meanwhile does not come back."
          : "Messages with one of these identifiers are rejected from now on. What is stored stays."}
      </p>
      {identifiers.length <= 20 ? (
        identifiers.map((one) => (
          <Tick
            key={`${one.kind} ${one.value}`}
            label={<span className="break">{one.value}</span>}
            hint={one.kind}
            checked={chosen.includes(one)}
            onChange={(on) => setChosen(on ? [...chosen, one] : chosen.filter((other) => other !== one))}
          />
        ))
      ) : (
        <p>{plural(identifiers.length, "identifier")}.</p>
      )}
      {chosen.length > 0 && (
        <Answered answer={dry} lines={1}>
          {({ changed }) => (
            <p role="status">
              {release
                ? `${plural(changed, "of them is", "of them are")} suppressed now.`
                : changed === chosen.length
                  ? `${plural(changed, "identifier is", "identifiers are")} new on the list.`
                  : `${plural(changed, "identifier is", "identifiers are")} new on the list; the others are suppressed already.`}
            </p>
          )}
        </Answered>
      )}
      {!release && (
        <NoteField
          value={note}
          onChange={setNote}
          placeholder="objected, ticket 4711"
          hint="It stays in the list: no personal data."
        />
      )}
    </Confirm>
  )
}
