/** A question or a saved report as a new tile of a dashboard. */
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { type FormEvent, useState } from "react"
import { type Dashboard, useSavedList } from "../insights/saved/queries.ts"
import type { DashboardDocument, Tile } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { keyOf } from "../lib/key_of.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Labelled } from "../ui/fields.tsx"
import { NameField } from "../ui/naming.tsx"
import { Answered, Failed } from "../ui/parts.tsx"

const NEW = " new"

interface Added {
  key: string
  /** Of a new dashboard; undefined for one that exists. */
  name?: string
  tile: Tile
}

/** The tile goes to the end of the dashboard as it is then, even if it was saved since this page was loaded. */
function useAdd() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: async ({ key, name, tile }: Added) => {
      const path = address(["analytics", "dashboards", key])
      const now = name === undefined ? await ask<Dashboard>(path) : undefined
      const document: DashboardDocument = now?.document ?? { name }
      return ask<Dashboard>(path, {
        method: "PUT",
        body: { ...document, tiles: [...(document.tiles ?? []), tile] },
        headers: { "If-Match": `"${now?.version ?? 0}"` },
      })
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ["dashboards"] }),
  })
}

export default function AddToDashboard(props: { tile: Tile; onClose: () => void }) {
  const dashboards = useSavedList("dashboards")
  const add = useAdd()
  return (
    <Dialog title="Add to a dashboard" onClose={props.onClose}>
      {add.data ? (
        <p className="notice" role="status">
          <span>
            It is on{" "}
            <Link to="/dashboards/$name" params={{ name: add.data.key }}>
              {add.data.name || add.data.key}
            </Link>
            .
          </span>
        </p>
      ) : (
        <Answered answer={dashboards} lines={3}>
          {(all) => <Form all={all} tile={props.tile} add={add} onClose={props.onClose} />}
        </Answered>
      )}
    </Dialog>
  )
}

function Form(props: { all: Dashboard[]; tile: Tile; add: ReturnType<typeof useAdd>; onClose: () => void }) {
  const { all, add } = props
  const [chosen, setChosen] = useState(all[0]?.key ?? NEW)
  const [name, setName] = useState("")
  const [title, setTitle] = useState("")
  const isNew = chosen === NEW
  const key = isNew ? keyOf(name) : chosen

  function submit(event: FormEvent): void {
    event.preventDefault()
    const tile = { ...props.tile, ...(title.trim() ? { title: title.trim() } : {}) }
    add.mutate({ key, name: isNew ? name.trim() : undefined, tile })
  }

  return (
    <form className="form" onSubmit={submit}>
      {all.length > 0 && (
        <Labelled label="Dashboard">
          {(names) => (
            <select {...names} className="field" value={chosen} onChange={({ target }) => setChosen(target.value)}>
              {all.map((one) => (
                <option key={one.key} value={one.key}>
                  {one.name || one.key}
                </option>
              ))}
              <option value={NEW}>A new one</option>
            </select>
          )}
        </Labelled>
      )}
      {isNew && <NameField label="Name of the dashboard" value={name} onChange={setName} />}
      {!props.tile.report && (
        <Labelled label="Title of the tile">
          {(names) => (
            <input
              {...names}
              className="field"
              autoComplete="off"
              value={title}
              onChange={({ target }) => setTitle(target.value)}
            />
          )}
        </Labelled>
      )}
      <Failed problem={add.error} />
      <div className="dialog-foot">
        <button type="button" className="button" onClick={props.onClose}>
          Cancel
        </button>
        <button type="submit" className="button primary" disabled={!key || add.isPending}>
          Add
        </button>
      </div>
    </form>
  )
}
