/** Keeping a question: as a report, as a change of one, as a link. */
import { lazy, Suspense, useState } from "react"
import type { ReportDocument, Tile } from "../../lib/api.ts"
import { RequestFailed } from "../../lib/client.ts"
import { useMay } from "../../lib/me.ts"
import { Dialog } from "../../ui/dialog.tsx"
import { NameDialog, type Named } from "../../ui/naming.tsx"
import { Failed, When } from "../../ui/parts.tsx"
import type { Asked } from "../query/asked.ts"
import { type Kind, type OfKind, type Question, shortest } from "../query/question.ts"
import { type Report, useReport, useSave } from "./queries.ts"

const AddToDashboard = lazy(() => import("../../dashboards/add.tsx"))

/** The buttons that keep a question. A key that only reads has the link. */
export function SaveReport<K extends Kind>({ asked, disabled }: { asked: Asked<K>; disabled: boolean }) {
  const may = useMay("admin")
  const report = useReport(asked.report)
  const [open, setOpen] = useState<"" | "save" | "dashboard">("")
  const saved = report.data
  const changed = saved !== undefined && asked.changed && !isSame(asked.question, saved.document.question as Question)
  return (
    <>
      {saved && (
        <span className="report-name">
          {saved.name || saved.key}
          {changed && <small className="mute"> · changed</small>}
        </span>
      )}
      <CopyLink />
      {may && changed && <SaveChanges key={saved.key} asked={asked} saved={saved} disabled={disabled} />}
      {may && (!saved || changed) && (
        <button type="button" className="button" disabled={disabled} onClick={() => setOpen("save")}>
          {saved ? "Save as new" : "Save"}
        </button>
      )}
      {may && (
        <button type="button" className="button" disabled={disabled} onClick={() => setOpen("dashboard")}>
          Add to dashboard
        </button>
      )}
      {open === "save" && <SaveNew asked={asked} onClose={() => setOpen("")} />}
      {open === "dashboard" && (
        <Suspense>
          <AddToDashboard
            tile={
              saved && !changed ? { report: saved.key } : { question: shortest(asked.question) as Tile["question"] }
            }
            onClose={() => setOpen("")}
          />
        </Suspense>
      )}
    </>
  )
}

function isSame(one: OfKind, other: OfKind): boolean {
  const plain = (question: OfKind) => JSON.stringify(sorted(shortest(question)))
  return plain(one) === plain(other)
}

/** With its fields in one order: the server's is another than that of an address. */
function sorted(given: unknown): unknown {
  if (Array.isArray(given)) return given.map(sorted)
  if (typeof given !== "object" || given === null) return given
  return Object.fromEntries(
    Object.entries(given)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => [name, sorted(value)]),
  )
}

function CopyLink() {
  const [copied, setCopied] = useState(false)
  async function copy(): Promise<void> {
    await navigator.clipboard.writeText(location.href)
    setCopied(true)
    setTimeout(() => setCopied(false), 2000)
  }
  return (
    <button type="button" className="button" onClick={copy}>
      {copied ? "Copied" : "Copy link"}
    </button>
  )
}

/**
 * Stands there while something is changed.
 *
 * Law: only the version from which the change began is replaced. `saved` is read again meanwhile, and may be another's.
 */
function SaveChanges<K extends Kind>(props: { asked: Asked<K>; saved: Report; disabled: boolean }) {
  const { asked, saved } = props
  const [base] = useState(saved.version)
  const save = useSave("reports")
  const [conflict, setConflict] = useState(false)
  const now = useReport(conflict ? saved.key : "")

  async function keep(version: number): Promise<void> {
    const document = { ...saved.document, question: shortest(asked.question) as unknown as ReportDocument["question"] }
    try {
      await save.mutateAsync({ key: saved.key, document, version })
      setConflict(false)
      asked.keep(saved.key)
    } catch (problem) {
      if (problem instanceof RequestFailed && problem.code === "VERSION_CONFLICT") {
        setConflict(true)
        now.refetch()
      }
    }
  }

  return (
    <>
      <button
        type="button"
        className="button primary"
        disabled={props.disabled || save.isPending}
        onClick={() => keep(base)}
      >
        Save changes
      </button>
      {save.error && !conflict && <Failed problem={save.error} />}
      {conflict && (
        <Dialog title="Changed meanwhile" onClose={() => setConflict(false)}>
          <div className="dialog-body">
            <p>
              <b>{saved.name || saved.key}</b> was saved
              {now.data && (
                <>
                  {" "}
                  by {now.data.savedBy}, <When at={now.data.savedAt} />
                </>
              )}
              . Yours is still in this page, and nothing was overwritten.
            </p>
            <p>
              <a href={`${location.pathname}?report=${encodeURIComponent(saved.key)}`} target="_blank" rel="noreferrer">
                Open what is saved now
              </a>
            </p>
          </div>
          <div className="dialog-foot">
            <button type="button" className="button" onClick={() => setConflict(false)}>
              Keep editing
            </button>
            <button
              type="button"
              className="button danger"
              disabled={!now.data || save.isPending}
              onClick={() => now.data && keep(now.data.version)}
            >
              Replace it with mine
            </button>
          </div>
        </Dialog>
      )}
    </>
  )
}

function SaveNew<K extends Kind>({ asked, onClose }: { asked: Asked<K>; onClose: () => void }) {
  const save = useSave("reports")

  async function keep({ key, ...named }: Named): Promise<void> {
    const question = shortest(asked.question) as unknown as ReportDocument["question"]
    await save.mutateAsync({ key, document: { ...named, question }, version: 0 })
    onClose()
    asked.keep(key)
  }

  return (
    <NameDialog
      title="Save as a report"
      action="Save"
      hint="The list of saved reports shows it."
      problem={save.error}
      busy={save.isPending}
      onNamed={(named) => keep(named).catch(() => {})}
      onClose={onClose}
    />
  )
}
