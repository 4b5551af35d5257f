/** What something is called: a name, from which its key is made, and what it is for. */
import { type FormEvent, useState } from "react"
import { problemAt, problemElsewhere } from "../lib/client.ts"
import { keyOf } from "../lib/key_of.ts"
import { Dialog } from "./dialog.tsx"
import { Labelled } from "./fields.tsx"
import { Failed } from "./parts.tsx"

const PATHS = ["$.name", "$.description"]

export interface Named {
  key: string
  name: string
  description: string
}

/** The field of a name whose key is made of it. */
export function NameField(props: {
  label?: string
  hint?: string
  problem?: string
  /** The key is a field of its own. */
  keyed?: boolean
  value: string
  onChange: (name: string) => void
}) {
  const key = props.keyed ? "" : keyOf(props.value)
  return (
    <Labelled
      label={props.label ?? "Name"}
      hint={key ? `Its key is ${key}.` : props.hint}
      problem={props.problem || undefined}
    >
      {(names) => (
        <input
          {...names}
          className="field"
          autoComplete="off"
          value={props.value}
          onChange={({ target }) => props.onChange(target.value)}
        />
      )}
    </Labelled>
  )
}

/** A dialog that asks for them. What exists has a key that can be changed; a new thing gets its own from its name. */
export function NameDialog(props: {
  title: string
  action: string
  hint?: string
  /** What it is called now, and what becomes of what names it by its key. */
  now?: Named & { keyHint: string }
  problem: Error | null
  busy: boolean
  onNamed: (named: Named) => void
  onClose: () => void
}) {
  const { now, problem } = props
  const [name, setName] = useState(now?.name ?? "")
  const [own, setOwn] = useState(now?.key ?? "")
  const [description, setDescription] = useState(now?.description ?? "")
  const key = now ? own : keyOf(name)

  function submit(event: FormEvent): void {
    event.preventDefault()
    props.onNamed({ key, name: name.trim(), description: description.trim() })
  }

  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form className="form" onSubmit={submit}>
        <NameField
          keyed={now !== undefined}
          hint={props.hint}
          problem={problemAt(problem, "$.name")}
          value={name}
          onChange={setName}
        />
        {now && (
          <Labelled label="Key" hint={now.keyHint}>
            {(names) => (
              <input
                {...names}
                className="field mono"
                spellCheck={false}
                value={own}
                onChange={({ target }) => setOwn(target.value.trim())}
              />
            )}
          </Labelled>
        )}
        <Labelled label="Description" problem={problemAt(problem, "$.description") || undefined}>
          {(names) => (
            <input
              {...names}
              className="field"
              autoComplete="off"
              value={description}
              onChange={({ target }) => setDescription(target.value)}
            />
          )}
        </Labelled>
        <Failed problem={problemElsewhere(problem, PATHS)} />
        <div className="dialog-foot">
          <button type="button" className="button" onClick={props.onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={!key || props.busy}>
            {props.action}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
