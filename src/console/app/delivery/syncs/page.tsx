/** A sync: how it is, records that need work, what it would send, and how it came to be. */
import { Link } from "@tanstack/react-router"
import { lazy, useState } from "react"
import type { Sync, SyncHealth } from "../../lib/api.ts"
import { count, plural } from "../../lib/format.ts"
import { Announcement, announce } from "../../ui/announced.tsx"
import { Dialog } from "../../ui/dialog.tsx"
import { Answered, Failed, Page } from "../../ui/parts.tsx"
import { Tabs, useTab } from "../../ui/tabs.tsx"
import "../delivery.css"
import { KindPage } from "../frames.tsx"
import { SYNC } from "../kinds.ts"
import { useSaved } from "../queries.ts"
import { VersionsOf } from "../versions.tsx"
import { Now } from "./now.tsx"
import { PreviewPanel } from "./preview.tsx"
import { useRun, useSyncHealth } from "./queries.ts"
import { RecordsOf } from "./records.tsx"
import { State } from "./state.tsx"

const EditSync = lazy(async () => ({ default: (await import("./edit.tsx")).EditSync }))

export function SyncPage() {
  return <KindPage of={SYNC} edit={EditSync} read={ReadSync} />
}

function ReadSync({ name, onEdit }: { name: string; onEdit: () => void }) {
  const answer = useSaved<Sync>(SYNC, name)
  const health = useSyncHealth(name)
  const of = answer.data
  return (
    <Page
      title={of?.name ?? name}
      above={<Link to="/syncs">Syncs</Link>}
      lead={of?.description}
      aside={
        of && (
          <div className="facts">
            {health.data && <State of={health.data} />}
            <span className="mute">version {of.version}</span>
            {health.data && <Run of={of} health={health.data} />}
            <button type="button" className="button" onClick={onEdit}>
              Edit <kbd>E</kbd>
            </button>
          </div>
        )
      }
    >
      <Announcement place={`sync ${name}`} />
      <Answered answer={answer} lines={8}>
        {(found) => <Content of={found} health={health} />}
      </Answered>
    </Page>
  )
}

/** Runs it; a paused one does not run. */
function Run({ of, health }: { of: Sync; health: SyncHealth }) {
  const run = useRun(of.key)
  const [refused, setRefused] = useState<Error | null>(null)
  if (health.state === "paused") return null
  const go = (prove: boolean) =>
    run.mutate(prove, {
      onError: setRefused,
      onSuccess: () =>
        announce(
          `sync ${of.key}`,
          prove ? "It runs now, and compares everybody." : "It runs now: “Last run” says when it began.",
        ),
    })
  const waits = run.isPending || health.isRequested
  return (
    <>
      <button type="button" className="button" disabled={waits} onClick={() => go(false)}>
        {health.isRequested ? "Begins in a moment…" : "Run now"}
      </button>
      <button type="button" className="button" disabled={waits} onClick={() => go(true)}>
        Compare everybody
      </button>
      {refused && (
        <Dialog title={`${of.name} does not run`} onClose={() => setRefused(null)}>
          <div className="dialog-body">
            <Failed problem={refused} />
          </div>
        </Dialog>
      )}
    </>
  )
}

function Content({ of, health }: { of: Sync; health: ReturnType<typeof useSyncHealth> }) {
  const counts = health.data?.counts
  const troubled = counts ? counts.failed + counts.waiting + counts.unmatched + counts.removals : 0
  const tabs = {
    now: "Now",
    records: troubled > 0 ? `Records (${count(troubled)})` : "Records",
    preview: "Preview",
    versions: "Versions",
  }
  const shown = useTab(tabs)
  return (
    <>
      <Tabs of={tabs} />
      {shown === "now" && <Now of={of} health={health} />}
      {shown === "records" && <RecordsOf of={of} />}
      {shown === "preview" && <PreviewPanel name={of.key} />}
      {shown === "versions" && (
        <VersionsOf
          kind={SYNC}
          of={of}
          kept="What it knows of the receiver stays."
          lost={lostWith(counts)}
          after="The receiver keeps its records. Versions stay: restoring one brings the sync back, and everybody is sent anew."
        />
      )}
    </>
  )
}

/** What is deleted with a sync. */
function lostWith(counts: SyncHealth["counts"] | undefined): string[] {
  const { sent = 0, removals = 0 } = counts ?? {}
  return [
    sent > 0 ? `what it knows of ${plural(sent, "record")} at the receiver` : "what it knows of the receiver",
    removals > 0 ? `${plural(removals, "removal")} that ${removals === 1 ? "waits" : "wait"}` : "",
  ].filter(Boolean)
}
