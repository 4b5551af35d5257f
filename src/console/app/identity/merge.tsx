/** Merge a person with another: find the other, see what goes where, and do it. */
import { useNavigate } from "@tanstack/react-router"
import { useState } from "react"
import type { MergeResult, Profile, ProfileSummary, PropertyConflict } from "../lib/api.ts"
import { plural, value } from "../lib/format.ts"
import { identifierOf, nameOf } from "../people/names.ts"
import { useFound } from "../people/queries.ts"
import { announce } from "../ui/announced.tsx"
import { Confirm, Dialog } from "../ui/dialog.tsx"
import { Choice, Labelled } from "../ui/fields.tsx"
import { Answered } from "../ui/parts.tsx"
import { NoteField } from "./note.tsx"
import { useMerge, useMergeDryRun } from "./queries.ts"
import { NamedList, StateOf } from "./states.tsx"
import { UndoNow } from "./undo.tsx"

const MOST = 8

export function MergeDialog({ of, onClose }: { of: Profile; onClose: () => void }) {
  const [other, setOther] = useState<ProfileSummary>()
  if (other) return <Merge of={of} other={other} onClose={onClose} />
  return (
    <Dialog
      title={`Merge ${nameOf(of)} with`}
      lead="Two profiles of one person become one. You see what goes where before anything happens."
      onClose={onClose}
    >
      <FindPerson without={of.id} onChoose={setOther} />
    </Dialog>
  )
}

function FindPerson({ without, onChoose }: { without: string; onChoose: (person: ProfileSummary) => void }) {
  const [text, setText] = useState("")
  const answer = useFound(text.trim())
  return (
    <div className="form">
      <Labelled label="The other person" hint="The beginning of an identifier or of a name, capitals included.">
        {(names) => (
          <input
            className="field"
            {...names}
            autoComplete="off"
            spellCheck={false}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Labelled>
      <Answered answer={answer} lines={4}>
        {(found) => {
          const others = found.filter(({ id }) => id !== without).slice(0, MOST)
          return others.length === 0 ? (
            <p className="mute">No other person is found by that.</p>
          ) : (
            <ul className="found">
              {others.map((person) => (
                <li key={person.id}>
                  <button type="button" onClick={() => onChoose(person)}>
                    <b>{nameOf(person)}</b>{" "}
                    <span className="mute">
                      {identifierOf(person)} · profile {person.id}
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          )
        }}
      </Answered>
    </div>
  )
}

function Merge({ of, other, onClose }: { of: Profile; other: ProfileSummary; onClose: () => void }) {
  const both = [of, other]
  const [survivor, setSurvivor] = useState("")
  const [note, setNote] = useState("")
  const body = {
    profiles: both.map(({ id }) => `profileId:${id}`),
    ...(survivor && { survivor: `profileId:${survivor}` }),
  }
  const dry = useMergeDryRun(body)
  const merge = useMerge()
  const navigate = useNavigate()

  function confirm(): void {
    merge.mutate({ ...body, note: note.trim() }, { onSuccess: done })
  }

  function done(result: MergeResult): void {
    onClose()
    const [before] = result.merges
    announce(
      `person ${result.survivor}`,
      <p>
        <b>{both.map(nameOf).join(" and ")}</b> are one profile now: {plural(result.moved.length, "identifier")} moved.{" "}
        {before !== undefined && <UndoNow merge={before} />}
      </p>,
    )
    void navigate({ to: "/users/$id", params: { id: result.survivor }, search: { by: "profileId" } as never })
  }

  return (
    <Confirm
      title={`Merge ${nameOf(of)} with ${nameOf(other)}?`}
      action="Merge"
      busy={!dry.data || merge.isPending}
      problem={merge.error}
      onConfirm={confirm}
      onClose={onClose}
    >
      <Answered answer={dry} lines={6}>
        {(result) => (
          <div className="dry-run">
            <Choice
              label="The profile whose id stays"
              options={both.map((one) => ({ value: one.id, title: `${identifierOf(one)} stays` }))}
              value={survivor || result.survivor}
              onChange={setSurvivor}
            />
            <p>
              These identifiers, with all their events, go to <b>{nameOf(both.find(isOne(result.survivor)) ?? of)}</b>:
            </p>
            <NamedList of={result.moved} />
            <Conflicts of={result.conflicts} people={both} />
            <p>After that there is one profile:</p>
            <StateOf of={result.after} before={result.before} />
          </div>
        )}
      </Answered>
      <NoteField value={note} onChange={setNote} placeholder="Who asked for it, and why" />
      <p className="small mute">It can be undone, at any time and as if it had never been made.</p>
    </Confirm>
  )
}

const isOne =
  (id: string) =>
  (person: { id: string }): boolean =>
    person.id === id

function Conflicts({ of, people }: { of: PropertyConflict[]; people: { id: string }[] }) {
  if (of.length === 0) return <p className="mute">No property has two values.</p>
  return (
    <div className="table-frame">
      <table>
        <caption>{plural(of.length, "property has", "properties have")} two values. The latest written holds.</caption>
        <thead>
          <tr>
            <th scope="col">Property</th>
            <th scope="col">Holds</th>
            <th scope="col">Goes</th>
          </tr>
        </thead>
        <tbody>
          {of.map(({ property, winner, values }) => (
            <tr key={property}>
              <td className="break">{property}</td>
              <td className="break">{value(values[winner])}</td>
              <td className="break mute">
                {people
                  .filter(({ id }) => id !== winner && id in values)
                  .map(({ id }) => value(values[id]))
                  .join(", ")}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
