/** The versions of a destination, and giving it another key or deleting it. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useNavigate } from "@tanstack/react-router"
import { type FormEvent, useState } from "react"
import { RestoreAt } from "../definitions/versions.tsx"
import { moveDraft } from "../editor/drafts.ts"
import type { Deleted, Destination, DestinationHealth, DestinationVersion, Published } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { difference } from "../lib/difference.ts"
import { plural } from "../lib/format.ts"
import { written } from "../lib/json.ts"
import { useMe } from "../lib/me.ts"
import { useRested } from "../lib/rested.ts"
import { announce } from "../ui/announced.tsx"
import { Confirm, Dialog } from "../ui/dialog.tsx"
import { Diff } from "../ui/diff.tsx"
import { Labelled } from "../ui/fields.tsx"
import { Answered, Failed, Panel, When } from "../ui/parts.tsx"
import { useVersions } from "./queries.ts"

const TYPING_MS = 400

export function VersionsOf({ of, health }: { of: Destination; health?: DestinationHealth }) {
  const answer = useVersions(of.key)
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
      {open === "rename" && <Rename of={of} onClose={close} />}
      {open === "delete" && <Delete of={of} health={health} onClose={close} />}
      {typeof open === "object" && (
        <RestoreAt path={["destinations", of.key]} name={of.name} version={open.restore} onClose={close} />
      )}
    </>
  )
}

function OneVersion(props: { of: DestinationVersion; before?: DestinationVersion; restore?: () => void }) {
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

function textOf(of: DestinationVersion | undefined): string {
  return of?.document ? written(of.document, 2) : ""
}

function Rename({ of, onClose }: { of: Destination; onClose: () => void }) {
  const me = useMe()
  const navigate = useNavigate()
  const queries = useQueryClient()
  const [key, setKey] = useState(of.key)
  const rested = useRested(key, TYPING_MS)
  const path = address(["destinations", of.key, "rename"])
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
      const from = { environment: me?.environment.key ?? "", kind: "destination", name: of.key }
      const after = changes.find((change) => change.kind === "destination" && change.key === key)?.version
      moveDraft(from, key, after === undefined ? undefined : { before: of.version, after })
      onClose()
      await navigate({ to: "/destinations/$name", params: { name: key }, search: { tab: "versions" }, replace: true })
      await queries.invalidateQueries({ queryKey: ["destinations"] })
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
          In the environment <b className="environment">{me?.environment.key}</b>. Its place in the log, what waits and
          its secrets stay.
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

function Delete({ of, health, onClose }: { of: Destination; health?: DestinationHealth; onClose: () => void }) {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const path = address(["destinations", of.key])
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
      announce("destinations", `${of.name} is deleted.`)
      await navigate({ to: "/destinations", replace: true })
      await queries.invalidateQueries({ queryKey: ["destinations", "list"] })
    },
  })
  const lost = [
    health && health.behind > 0 && `up to ${plural(health.behind, "message")} that it has not reached`,
    health &&
      health.waiting > 0 &&
      `${plural(health.waiting, "message")} that ${health.waiting === 1 ? "waits" : "wait"}`,
    health && health.undelivered > 0 && `${plural(health.undelivered, "undelivered message")}`,
    "its log of attempts",
    "its secrets",
  ].filter(Boolean)
  return (
    <Confirm
      title={`Delete the destination ${of.key}`}
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
                <li key={String(one)}>{one}</li>
              ))}
            </ul>
            <p className="mute">Its versions stay: restoring one brings it back, with a new place in the log.</p>
          </>
        )}
      </Answered>
    </Confirm>
  )
}
