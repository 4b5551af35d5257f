/** Another name or key for what is saved, and an end of it. */
import { type FormEvent, useState } from "react"
import { Confirm, Dialog } from "../../ui/dialog.tsx"
import { Labelled } from "../../ui/fields.tsx"
import { Failed } from "../../ui/parts.tsx"
import { type Saved, type SavedKind, useRemove, useRename, useSave } from "./queries.ts"

const ONE = { reports: "report", dashboards: "dashboard" }

interface OfSaved<K extends SavedKind> {
  kind: K
  of: Saved<K>
  onClose: () => void
}

/** Whatever names it is rewritten by the server. */
export function RenameDialog<K extends SavedKind>(props: OfSaved<K> & { onDone: (key: string) => void }) {
  const { kind, of } = props
  const [name, setName] = useState(of.name || of.key)
  const [key, setKey] = useState(of.key)
  const [description, setDescription] = useState(of.description)
  const rename = useRename(kind)
  const save = useSave(kind)
  const problem = rename.error ?? save.error

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault()
    const document = { ...of.document, name: name.trim(), description: description.trim() }
    if (name.trim() !== of.name || description.trim() !== of.description) {
      await save.mutateAsync({ key: of.key, document, version: of.version })
    }
    if (key !== of.key) await rename.mutateAsync({ from: of.key, to: key })
    props.onDone(key)
  }

  return (
    <Dialog title={`Rename the ${ONE[kind]}`} onClose={props.onClose}>
      <form className="form" onSubmit={(event) => submit(event).catch(() => {})}>
        <Labelled label="Name">
          {(names) => (
            <input {...names} className="field" value={name} onChange={({ target }) => setName(target.value)} />
          )}
        </Labelled>
        <Labelled
          label="Key"
          hint={
            of.usedBy.length ? "What names it is changed with it." : "It is in addresses, files and other definitions."
          }
        >
          {(names) => (
            <input
              {...names}
              className="field mono"
              spellCheck={false}
              value={key}
              onChange={({ target }) => setKey(target.value.trim())}
            />
          )}
        </Labelled>
        <Labelled label="Description">
          {(names) => (
            <input
              {...names}
              className="field"
              value={description}
              onChange={({ target }) => setDescription(target.value)}
            />
          )}
        </Labelled>
        {problem && <Failed problem={problem} />}
        <div className="dialog-foot">
          <button type="button" className="button" onClick={props.onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={!key || rename.isPending || save.isPending}>
            Rename
          </button>
        </div>
      </form>
    </Dialog>
  )
}

export function RemoveDialog<K extends SavedKind>(props: OfSaved<K> & { onDone: () => void }) {
  const { kind, of } = props
  const remove = useRemove(kind)
  return (
    <Confirm
      title={`Delete the ${ONE[kind]} ${of.name || of.key}?`}
      action="Delete"
      busy={remove.isPending}
      problem={remove.error}
      onConfirm={() => remove.mutate(of.key, { onSuccess: props.onDone })}
      onClose={props.onClose}
    >
      {of.usedBy.length > 0 ? (
        <p>
          It is named by {of.usedBy.map(({ kind, key }) => `${kind} ${key}`).join(", ")}. The server refuses to delete
          it before they do without it.
        </p>
      ) : (
        <p>Nothing else names it. Its versions are kept, so it can be restored over the API.</p>
      )}
    </Confirm>
  )
}
