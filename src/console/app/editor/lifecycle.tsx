/** Giving a definition another key, archiving and deleting it: each after a look at what that does. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useNavigate } from "@tanstack/react-router"
import { type FormEvent, useState } from "react"
import { type Definition, type Kind, WORDS } from "../definitions/kinds.ts"
import type { Deleted, Flag, Published } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { exactCount } from "../lib/format.ts"
import { useMe } from "../lib/me.ts"
import { useRested } from "../lib/rested.ts"
import { Confirm, Dialog } from "../ui/dialog.tsx"
import { Diff } from "../ui/diff.tsx"
import { Labelled } from "../ui/fields.tsx"
import { Answered, Failed, Panel } from "../ui/parts.tsx"
import { type Change, outcomeOf, useRemember } from "./changes.ts"
import { moveDraft } from "./drafts.ts"
import { Review } from "./review.tsx"

const TYPING_MS = 400

interface LifecycleProps {
  kind: Kind
  of: Definition
  onClose: () => void
}

/** Asks for another key, and shows every expression that is rewritten. */
function Rename({ kind, of, onClose }: LifecycleProps) {
  const me = useMe()
  const navigate = useNavigate()
  const queries = useQueryClient()
  const [key, setKey] = useState(of.key)
  const [note, setNote] = useState("")
  const rested = useRested(key, TYPING_MS)
  const path = address(["admin", kind, of.key, "rename"])
  const differs = rested !== "" && rested !== of.key
  const planned = useQuery({
    queryKey: ["rename", path, rested],
    queryFn: ({ signal }) => ask<Published>(path, { method: "POST", body: { key: rested, dryRun: true }, signal }),
    enabled: differs,
    retry: false,
    gcTime: 0,
  })
  const renamed = useMutation({
    mutationFn: () => ask<Published>(path, { method: "POST", body: { key, note: note.trim() } }),
    onSuccess: async ({ changes }) => {
      const from = { environment: me?.environment.key ?? "", kind: WORDS[kind].one, name: of.key }
      const after = changes.find((change) => change.kind === from.kind && change.key === key)?.version
      moveDraft(from, key, after === undefined ? undefined : { before: of.version, after })
      onClose()
      await navigate({ to: `/${kind}/$name`, params: { name: key }, replace: true })
      await queries.invalidateQueries({ queryKey: ["definitions"] })
    },
  })
  const ready = differs && rested === key && planned.data !== undefined && !renamed.isPending

  function submit(event: FormEvent): void {
    event.preventDefault()
    if (ready) renamed.mutate()
  }

  return (
    <Dialog
      wide
      title={`Rename ${of.key}`}
      lead={
        <p>
          In the environment <b className="environment">{me?.environment.key ?? "…"}</b>. No profile moves, and every
          expression that names it is rewritten. Applications have to ask for the new key.
        </p>
      }
      onClose={onClose}
    >
      <form className="review" onSubmit={submit}>
        <Labelled label="New key" problem={differs ? planned.error?.message : undefined}>
          {(names) => (
            <input
              {...names}
              className="field mono"
              value={key}
              autoComplete="off"
              spellCheck={false}
              onChange={(event) => setKey(event.target.value.trim())}
            />
          )}
        </Labelled>
        {differs && planned.data?.changes.map((one) => <Diff key={`${one.kind} ${one.key}`} text={one.text} />)}
        <Labelled label="Note" hint="Why; the history shows it.">
          {(names) => (
            <input
              {...names}
              className="field"
              value={note}
              autoComplete="off"
              onChange={(event) => setNote(event.target.value)}
            />
          )}
        </Labelled>
        {renamed.error && <Failed problem={renamed.error} />}
        <div className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={!ready}>
            Rename
          </button>
        </div>
      </form>
    </Dialog>
  )
}

/** Asks whether to delete a definition, and says who leaves; what others refer to cannot. */
function Delete({ kind, of, onClose }: LifecycleProps) {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const path = address(["admin", kind, of.key])
  const headers = { "If-Match": `"${of.version}"` }
  const planned = useQuery({
    queryKey: ["delete", path, of.version],
    queryFn: ({ signal }) => ask<Deleted>(`${path}?dryRun=true`, { method: "DELETE", headers, signal }),
    retry: false,
    gcTime: 0,
  })
  const deleted = useMutation({
    mutationFn: () => ask<Deleted>(path, { method: "DELETE", headers }),
    onSuccess: async () => {
      onClose()
      await navigate({ to: `/${kind}`, replace: true })
      queries.removeQueries({ queryKey: ["definitions", kind, of.key] })
      await queries.invalidateQueries({ queryKey: ["definitions", kind], exact: true })
    },
  })
  const members = "members" in of ? (of.members ?? 0) : 0
  return (
    <Confirm
      title={`Delete the ${WORDS[kind].one} ${of.key}`}
      action="Delete"
      busy={planned.data === undefined || deleted.isPending}
      problem={deleted.error}
      onConfirm={() => deleted.mutate()}
      onClose={onClose}
    >
      <Answered answer={planned} lines={2}>
        {() => (
          <p>
            {kind === "segments" && members > 0
              ? `${exactCount(members)} ${members === 1 ? "member leaves" : "members leave"} it. `
              : ""}
            Its versions are kept: restoring one brings it back, with its id.
          </p>
        )}
      </Answered>
    </Confirm>
  )
}

/** Asks whether to keep a flag without serving it, or to serve it again: a version as any other. */
function Archive({ of, onClose }: { of: Flag; onClose: () => void }) {
  const remember = useRemember()
  const { archived = false, key: _, ...kept } = of.document
  const document = archived ? withoutField(kept, "archived") : { ...kept, archived: true }
  const change: Change = { kind: "flag", key: of.key, document, expects: of.version }
  return (
    <Review
      title={archived ? `Bring ${of.key} back` : `Archive ${of.key}`}
      action={archived ? "Bring back" : "Archive"}
      change={change}
      onClose={onClose}
      onPublished={(answer) => {
        remember("flag", of.key, outcomeOf(answer, change))
        onClose()
      }}
      onRefused={() => undefined}
    >
      <p>
        {archived
          ? "It is served again, by its rules."
          : "It is kept with its versions and its salt, and served to no one: applications that ask for it get their own default. It can be brought back."}
      </p>
    </Review>
  )
}

function withoutField(of: Record<string, unknown>, name: string): Record<string, unknown> {
  const { [name]: _, ...rest } = of
  return rest
}

/** The buttons for these. */
export function Manage({ kind, of }: { kind: Kind; of: Definition }) {
  const [open, setOpen] = useState<"rename" | "archive" | "delete" | null>(null)
  const close = () => setOpen(null)
  const flag = "document" in of ? of : undefined
  return (
    <Panel title="Manage">
      <p className="edit-actions">
        <button type="button" className="button" onClick={() => setOpen("rename")}>
          Rename…
        </button>
        {flag && (
          <button type="button" className="button" onClick={() => setOpen("archive")}>
            {flag.document.archived ? "Bring back…" : "Archive…"}
          </button>
        )}
        <button type="button" className="button" onClick={() => setOpen("delete")}>
          Delete…
        </button>
      </p>
      {open === "rename" && <Rename kind={kind} of={of} onClose={close} />}
      {open === "archive" && flag && <Archive of={flag} onClose={close} />}
      {open === "delete" && <Delete kind={kind} of={of} onClose={close} />}
    </Panel>
  )
}
