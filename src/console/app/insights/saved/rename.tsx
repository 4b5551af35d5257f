/** Another name or key for what is saved, and an end of it. */
import { Confirm } from "../../ui/dialog.tsx"
import { NameDialog, type Named } from "../../ui/naming.tsx"
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
  const rename = useRename(kind)
  const save = useSave(kind)

  async function change({ key, name, description }: Named): Promise<void> {
    if (name !== of.name || description !== of.description) {
      await save.mutateAsync({ key: of.key, document: { ...of.document, name, description }, version: of.version })
    }
    if (key !== of.key) await rename.mutateAsync({ from: of.key, to: key })
    props.onDone(key)
  }

  return (
    <NameDialog
      title={`Rename the ${ONE[kind]}`}
      action="Rename"
      now={{
        key: of.key,
        name: of.name || of.key,
        description: of.description,
        keyHint: of.usedBy.length
          ? "What names it is changed with it."
          : "It is in addresses, files and other definitions.",
      }}
      problem={rename.error ?? save.error}
      busy={rename.isPending || save.isPending}
      onNamed={(named) => change(named).catch(() => {})}
      onClose={props.onClose}
    />
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
