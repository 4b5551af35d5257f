/** The versions of a destination or a sync, and giving it another key or deleting it. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useNavigate } from "@tanstack/react-router"
import { type FormEvent, type ReactNode, useState } from "react"
import { RestoreAt } from "../definitions/versions.tsx"
import { moveDraft } from "../editor/drafts.ts"
import type { Deleted, Destination, DestinationVersion, Published, Sync, SyncVersion } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { difference } from "../lib/difference.ts"
import { written } from "../lib/json.ts"
import { useMe } from "../lib/me.ts"
import { useRested } from "../lib/rested.ts"
import { announce } from "../ui/announced.tsx"
import { Confirm, Dialog } from "../ui/dialog.tsx"
import { Diff } from "../ui/diff.tsx"
import { Labelled } from "../ui/fields.tsx"
import { Answered, Failed, Panel, When } from "../ui/parts.tsx"
import { type DeliveryKind, SYNC } from "./kinds.ts"
import { useVersions } from "./queries.ts"

const TYPING_MS = 400

interface VersionsProps {
  kind: DeliveryKind
  of: Destination | Sync
  /** What another key leaves as it is. */
  kept: string
  /** What is deleted with it. */
  lost: string[]
  /** What is to be known besides before it is deleted. */
  after: ReactNode
}

export function VersionsOf(props: VersionsProps) {
  const { kind, of } = props
  const answer = useVersions(kind, of.key)
  const [open, setOpen] = useState<"rename" | "delete" | { restore: number }>()
  const close = () => setOpen(undefined)
  return (
    <>
      <Panel title="Versions">
        <Answered answer={answer} lines={4}>
          {(versions) => (
            <ol className="versions">
              {versions.map((one, index) => (
                <OneVersion
                  key={one.version}
                  of={one}
                  before={versions[index + 1]}
                  restore={one.version === of.version ? undefined : () => setOpen({ restore: one.version })}
                />
              ))}
            </ol>
          )}
        </Answered>
      </Panel>
      <Panel title="Manage">
        <p className="edit-actions">
          <button type="button" className="button" onClick={() => setOpen("rename")}>
            Rename…
          </button>
          <button type="button" className="button" onClick={() => setOpen("delete")}>
            Delete…
          </button>
        </p>
      </Panel>
      {open === "rename" && <Rename {...props} onClose={close} />}
      {open === "delete" && <Delete {...props} onClose={close} />}
      {typeof open === "object" && (
        <RestoreAt path={[kind.path, of.key]} name={of.name} version={open.restore} onClose={close} />
      )}
    </>
  )
}

type Version = DestinationVersion | SyncVersion

function OneVersion(props: { of: Version; before?: Version; restore?: () => void }) {
  const { of, before } = props
  return (
    <li>
      <details>
        <summary>
          <b>{of.version}</b> <span>{of.note || (of.document === null ? "deleted" : "no note")}</span>
          <small>
            {of.savedBy}, <When at={of.savedAt} />
          </small>
        </summary>
        <Diff text={difference(textOf(before), textOf(of)) || "  nothing in it differs"} />
        {props.restore && of.document !== null && (
          <button type="button" className="button small" onClick={props.restore}>
            Restore version {of.version}
          </button>
        )}
      </details>
    </li>
  )
}

function textOf(of: Version | undefined): string {
  return of?.document ? written(of.document, 2) : ""
}

function Rename({ kind, of, kept, onClose }: VersionsProps & { onClose: () => void }) {
  const me = useMe()
  const navigate = useNavigate()
  const queries = useQueryClient()
  const [key, setKey] = useState(of.key)
  const rested = useRested(key, TYPING_MS)
  const path = address([kind.path, of.key, "rename"])
  const differs = rested !== "" && rested !== of.key
  const planned = useQuery({
    queryKey: ["rename", path, rested],
    queryFn: ({ signal }) => ask<Published>(path, { method: "POST", body: { key: rested, dryRun: true }, signal }),
    enabled: differs,
    retry: false,
    gcTime: 0,
  })
  const renamed = useMutation({
    mutationFn: () => ask<Published>(path, { method: "POST", body: { key } }),
    onSuccess: async ({ changes }) => {
      const from = { environment: me?.environment.key ?? "", kind: kind.kind, name: of.key }
      const after = changes.find((change) => change.kind === kind.kind && change.key === key)?.version
      moveDraft(from, key, after === undefined ? undefined : { before: of.version, after })
      onClose()
      await navigate({ to: kind.one, params: { name: key }, search: { tab: "versions" }, replace: true })
      // Syncs name their destination, so they follow.
      await queries.invalidateQueries({ queryKey: [SYNC.path] })
      if (kind !== SYNC) await queries.invalidateQueries({ queryKey: [kind.path] })
    },
  })
  const ready = differs && rested === key && planned.data !== undefined && !renamed.isPending
  function submit(event: FormEvent): void {
    event.preventDefault()
    if (ready) renamed.mutate()
  }
  return (
    <Dialog
      title={`Rename ${of.key}`}
      lead={
        <>
          In the environment <b className="environment">{me?.environment.key}</b>. {kept}
        </>
      }
      onClose={onClose}
    >
      <form className="form" onSubmit={submit}>
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
        <Failed problem={renamed.error} />
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

function Delete({ kind, of, lost, after, onClose }: VersionsProps & { onClose: () => void }) {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const path = address([kind.path, of.key])
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
      announce(kind.path, `${of.name} is deleted.`)
      await navigate({ to: kind.list, replace: true })
      await queries.invalidateQueries({ queryKey: [kind.path, "list"] })
    },
  })
  return (
    <Confirm
      title={`Delete the ${kind.kind} ${of.key}`}
      action="Delete"
      typed={of.key}
      busy={planned.data === undefined || deleted.isPending}
      problem={deleted.error}
      onConfirm={() => deleted.mutate()}
      onClose={onClose}
    >
      <Answered answer={planned} lines={3}>
        {() => (
          <>
            <p>With it goes:</p>
            <ul className="bullets">
              {lost.map((one) => (
                <li key={one}>{one}</li>
              ))}
            </ul>
            <p className="mute">{after}</p>
          </>
        )}
      </Answered>
    </Confirm>
  )
}
