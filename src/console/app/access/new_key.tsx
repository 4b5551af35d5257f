/** Making a key, and showing it the one time that it can be shown. */
import { type FormEvent, useState } from "react"
import type { NewKey } from "../lib/api.ts"
import { problemAt, problemElsewhere } from "../lib/client.ts"
import { useMe } from "../lib/me.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Labelled, Tick } from "../ui/fields.tsx"
import { Copyable, Failed } from "../ui/parts.tsx"
import { useCreateKey } from "./queries.ts"
import { beginningOf, originsOf, SCOPES } from "./scopes.ts"

export function NewKeyDialog({ onClose }: { onClose: () => void }) {
  const create = useCreateKey()
  const me = useMe()
  const [name, setName] = useState("")
  const [scopes, setScopes] = useState<string[]>([])
  const [origins, setOrigins] = useState("")
  const [day, setDay] = useState("")

  if (create.data)
    return <ShownOnce title={`The key ${create.data.name} is made`} made={create.data} onClose={onClose} />

  function submit(event: FormEvent): void {
    event.preventDefault()
    create.mutate({ name: name.trim(), scopes, origins: originsOf(origins), expiresAt: beginningOf(day) })
  }

  const wrong = (path: string) => problemAt(create.error, path)
  return (
    <Dialog
      title="New key"
      lead={
        <>
          In the environment <b className="environment">{me?.environment.key}</b>
        </>
      }
      onClose={onClose}
    >
      <form className="form" onSubmit={submit}>
        <Labelled label="Name" hint="Where it is used: shop, warehouse, ada." problem={wrong("$.name")}>
          {(names) => (
            <input
              className="field"
              {...names}
              value={name}
              autoComplete="off"
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Labelled>
        <fieldset className="labelled" aria-describedby={wrong("$.scopes") ? "scopes-below" : undefined}>
          <legend>Scopes</legend>
          {SCOPES.map(({ scope, may, belongs }) => (
            <Tick
              key={scope}
              label={<code>{scope}</code>}
              hint={`${may} ${belongs}`}
              checked={scopes.includes(scope)}
              onChange={(checked) =>
                setScopes((before) => (checked ? [...before, scope] : before.filter((one) => one !== scope)))
              }
            />
          ))}
          {wrong("$.scopes") && (
            <p id="scopes-below" className="problem" role="alert">
              {wrong("$.scopes")}
            </p>
          )}
        </fieldset>
        <Limits {...{ origins, setOrigins, day, setDay, wrong }} />
        <Failed problem={problemElsewhere(create.error, ["$.name", "$.scopes", "$.origins", "$.expiresAt"])} />
        <div className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={create.isPending}>
            Make the key
          </button>
        </div>
      </form>
    </Dialog>
  )
}

/** The limits of a key that can be changed later. */
export function Limits(props: {
  origins: string
  setOrigins: (text: string) => void
  day: string
  setDay: (day: string) => void
  wrong: (path: string) => string
}) {
  return (
    <>
      <Labelled
        label="Websites whose pages may use it"
        hint="One a line, such as https://shop.example or https://*.shop.example. Empty: every website."
        problem={props.wrong("$.origins")}
      >
        {(names) => (
          <textarea
            className="field mono"
            rows={2}
            spellCheck={false}
            {...names}
            value={props.origins}
            onChange={(event) => props.setOrigins(event.target.value)}
          />
        )}
      </Labelled>
      <Labelled
        label="Ends on"
        hint="At the beginning of that day, UTC. Empty: never."
        problem={props.wrong("$.expiresAt")}
      >
        {(names) => (
          <input
            type="date"
            className="field"
            {...names}
            value={props.day}
            onChange={(event) => props.setDay(event.target.value)}
          />
        )}
      </Labelled>
    </>
  )
}

/** A key's text, which no later answer has. */
export function ShownOnce({ title, made, onClose }: { title: string; made: NewKey; onClose: () => void }) {
  return (
    <Dialog title={title} lead={`It may ${made.scopes.join(", ")}.`} onClose={onClose} keep>
      <div className="dialog-body">
        <Copyable text={made.key} />
        <p>
          <b>Copy it now.</b> It is shown only here: the server keeps its hash.
        </p>
      </div>
      <div className="dialog-foot">
        <button type="button" className="button primary" onClick={onClose}>
          I have copied it
        </button>
      </div>
    </Dialog>
  )
}
