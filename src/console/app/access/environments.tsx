/** The environments of the project. A key sees their names; what is in them it sees of its own only. */
import { Plus } from "lucide-react"
import { type FormEvent, useState } from "react"
import { problemAt, problemElsewhere } from "../lib/client.ts"
import { useMay, useMe } from "../lib/me.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Labelled } from "../ui/fields.tsx"
import { Answered, Badge, Failed, Panel } from "../ui/parts.tsx"
import { ShownOnce } from "./new_key.tsx"
import { useCreateEnvironment, useEnvironments } from "./queries.ts"

export function EnvironmentsPanel() {
  const answer = useEnvironments(useMay("admin"))
  const [making, setMaking] = useState(false)
  return (
    <Panel
      title="Environments"
      aside={
        <button type="button" className="button small" onClick={() => setMaking(true)}>
          <Plus aria-hidden="true" /> New environment
        </button>
      }
    >
      <p className="mute">
        Separate sets of data, definitions and keys. To look at another one, sign in with a key of it.
      </p>
      <Answered answer={answer} lines={2}>
        {(environments) => (
          <div className="table-frame">
            <table>
              <thead>
                <tr>
                  <th scope="col">Name</th>
                  <th scope="col">Time zone</th>
                  <th scope="col" className="end">
                    Live revision
                  </th>
                </tr>
              </thead>
              <tbody>
                {environments.map(({ id, key, zone, revision, current }) => (
                  <tr key={id}>
                    <td>
                      <b>{key}</b> {current && <Badge tone="info">of this key</Badge>}
                    </td>
                    <td>{zone}</td>
                    <td className="end">{revision ?? <span className="mute">seen with its own keys</span>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Answered>
      {making && <NewEnvironment onClose={() => setMaking(false)} />}
    </Panel>
  )
}

function NewEnvironment({ onClose }: { onClose: () => void }) {
  const create = useCreateEnvironment()
  const own = useMe()?.environment
  const [key, setKey] = useState("")
  const [zone, setZone] = useState("")
  if (create.data) {
    return (
      <ShownOnce title={`${create.data.key} is made; its admin key`} made={create.data.adminKey} onClose={onClose} />
    )
  }
  function submit(event: FormEvent): void {
    event.preventDefault()
    create.mutate({ key: key.trim(), ...(zone.trim() && { zone: zone.trim() }) })
  }
  const wrong = (path: string) => problemAt(create.error, path)
  return (
    <Dialog
      title="New environment"
      lead="It is empty, and has one admin key, which you are shown once."
      onClose={onClose}
    >
      <form className="form" onSubmit={submit}>
        <Labelled label="Name" hint="Small letters, digits and dashes, such as staging." problem={wrong("$.key")}>
          {(names) => (
            <input
              className="field mono"
              {...names}
              value={key}
              autoComplete="off"
              spellCheck={false}
              onChange={(event) => setKey(event.target.value)}
            />
          )}
        </Labelled>
        <Labelled label="Time zone" hint={`Empty: that of ${own?.key}, ${own?.zone}.`} problem={wrong("$.zone")}>
          {(names) => (
            <input
              className="field mono"
              {...names}
              value={zone}
              placeholder="Europe/Berlin"
              spellCheck={false}
              onChange={(event) => setZone(event.target.value)}
            />
          )}
        </Labelled>
        <Failed problem={problemElsewhere(create.error, ["$.key", "$.zone"])} />
        <div className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={create.isPending}>
            Make the environment
          </button>
        </div>
      </form>
    </Dialog>
  )
}
