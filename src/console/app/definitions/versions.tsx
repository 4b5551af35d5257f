/** The versions of a definition: who made each, why, how it differs from the one before; and how to return to it. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import type { Differences, Published, Version } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useMay } from "../lib/me.ts"
import { Confirm } from "../ui/dialog.tsx"
import { Diff } from "../ui/diff.tsx"
import { Answered, Panel, When } from "../ui/parts.tsx"
import { type Kind, WORDS } from "./kinds.ts"
import { useVersions } from "./queries.ts"

export function VersionsOf({ kind, name }: { kind: Kind; name: string }) {
  const answer = useVersions(kind, name)
  const may = useMay("admin")
  const [restored, setRestored] = useState<number | null>(null)
  return (
    <Panel title="Versions">
      <Answered answer={answer} lines={2}>
        {({ versions }) => {
          const newest = [...versions].sort((a, b) => b.version - a.version)
          return (
            <ol className="versions">
              {newest.map((version, index) => (
                <OneVersion
                  key={version.version}
                  kind={kind}
                  of={version}
                  before={newest[index + 1]}
                  restore={may && index > 0 ? () => setRestored(version.version) : undefined}
                />
              ))}
            </ol>
          )
        }}
      </Answered>
      {restored !== null && <Restore kind={kind} name={name} version={restored} onClose={() => setRestored(null)} />}
    </Panel>
  )
}

function OneVersion(props: { kind: Kind; of: Version; before?: Version; restore?: () => void }) {
  const { of } = props
  const [open, setOpen] = useState(false)
  return (
    <li>
      <details onToggle={(change) => setOpen(change.currentTarget.open)}>
        <summary>
          <b>{of.version}</b> <span>{of.note || "no note"}</span>
          <small>
            {of.author}, <When at={of.publishedAt} />
          </small>
        </summary>
        {open && (
          <p className="small">
            <Link to="/changes/$revision" params={{ revision: String(of.revision) }}>
              Revision {of.revision}
            </Link>
          </p>
        )}
        {open && <Difference kind={props.kind} of={of} before={props.before} />}
        {props.restore && (
          <button type="button" className="button small" onClick={props.restore}>
            Restore version {of.version}
          </button>
        )}
      </details>
    </li>
  )
}

/** How a version differs from the one before; the first is all new. */
function Difference({ kind, of, before }: { kind: Kind; of: Version; before?: Version }) {
  const from = before?.revision ?? 0
  const answer = useQuery({
    queryKey: ["diff", from, of.revision],
    queryFn: ({ signal }) => ask<Differences>(address(["admin", "diff"], { from, to: of.revision }), { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  })
  return (
    <Answered answer={answer} lines={3}>
      {({ changes }) => {
        const own = changes.find((change) => change.kind === WORDS[kind].one && change.key === of.key)
        return own ? <Diff text={own.text} /> : <p className="mute">Nothing in it differs.</p>
      }}
    </Answered>
  )
}

/** Asks whether to restore a version, with what that changes; also the undo of a publish. */
export function Restore(props: { kind: Kind; name: string; version: number; onClose: () => void }) {
  return <RestoreAt path={["admin", props.kind, props.name]} {...props} />
}

/** The same for whatever has versions at its address. */
export function RestoreAt(props: { path: string[]; name: string; version: number; onClose: () => void }) {
  const { name, version } = props
  const queries = useQueryClient()
  const path = address([...props.path, "versions", String(version), "restore"])
  const planned = useQuery({
    queryKey: ["restore", path],
    queryFn: ({ signal }) => ask<Published>(path, { method: "POST", body: { dryRun: true }, signal }),
    staleTime: 0,
    gcTime: 0,
  })
  const sent = useMutation({
    mutationFn: () => ask<Published>(path, { method: "POST", body: { note: `version ${version} restored` } }),
    onSuccess: async () => {
      await queries.invalidateQueries()
      props.onClose()
    },
  })
  return (
    <Confirm
      title={`Restore version ${version} of ${name}`}
      action="Restore"
      busy={sent.isPending || planned.data === undefined}
      problem={sent.error}
      onConfirm={() => sent.mutate()}
      onClose={props.onClose}
    >
      <Answered answer={planned} lines={3}>
        {({ changes, backfilling }) => (
          <>
            {changes.length === 0 && <p>It is what is published now: nothing changes.</p>}
            {changes.map((change) => (
              <Diff key={`${change.kind} ${change.key}`} text={change.text} />
            ))}
            {backfilling && <p>It is computed for all people first, and is live after that.</p>}
          </>
        )}
      </Answered>
    </Confirm>
  )
}
