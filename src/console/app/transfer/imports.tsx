/** Files of history: those that were imported, those that are being imported, and a new one. */
import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import { Plus } from "lucide-react"
import { useState } from "react"
import "./transfer.css"
import type { ImportProgress } from "../lib/api.ts"
import { exactCount, plural } from "../lib/format.ts"
import { useMay, useMe } from "../lib/me.ts"
import { Confirm, Dialog } from "../ui/dialog.tsx"
import { Answered, Badge, Count, Empty, Failed, NeedsAdmin, Page, type Tone, When } from "../ui/parts.tsx"
import { useFile } from "./download.tsx"
import { NewImport } from "./new_import.tsx"
import { reportOf, type Source, useImport, useImportFiles, useImports, useReport, useStopImport } from "./queries.ts"

const TONES: Record<ImportProgress["status"], Tone> = {
  running: "info",
  interrupted: "warn",
  failed: "bad",
  done: "good",
}

export function ImportsPage() {
  const me = useMe()
  const may = useMay("admin")
  const answer = useImports(may)
  const search: { import?: string; new?: string } = useSearch({ strict: false })
  const navigate = useNavigate()
  const [again, setAgain] = useState<Source>()
  const look = (change: { import?: string; new?: string }) =>
    navigate({ to: "/imports", search: change, replace: true })
  const lead = "Events and people from files, stored as if they had been sent when they happened."
  if (me && !may) {
    return (
      <Page title="Imports" lead={lead}>
        <NeedsAdmin what="Imports" />
      </Page>
    )
  }
  const start = (source?: Source) => {
    setAgain(source)
    look({ new: "yes" })
  }
  return (
    <Page
      title="Imports"
      lead={lead}
      aside={
        <button type="button" className="button primary" onClick={() => start()}>
          <Plus aria-hidden="true" /> New import
        </button>
      }
    >
      <Answered answer={answer} lines={6}>
        {(imports) =>
          imports.length === 0 ? (
            <Empty title="Nothing was imported yet" command="tinycdp import events.jsonl.gz">
              <p>Choose a file above: JSON lines, CSV or Parquet. On the command line:</p>
            </Empty>
          ) : (
            <Rows imports={imports} open={(id) => look({ import: id })} />
          )
        }
      </Answered>
      {search.new !== undefined && (
        <NewImport from={again} onClose={() => look({})} onStarted={(id) => look({ import: id })} />
      )}
      {search.import !== undefined && (
        <ImportDialog key={search.import} id={search.import} onClose={() => look({})} onAgain={start} />
      )}
    </Page>
  )
}

function Rows({ imports, open }: { imports: ImportProgress[]; open: (id: string) => void }) {
  return (
    <div className="table-frame">
      <table className="imports">
        <thead>
          <tr>
            <th scope="col">File</th>
            <th scope="col">State</th>
            <th scope="col" className="end">
              Rows
            </th>
            <th scope="col" className="wide-only end">
              Stored
            </th>
            <th scope="col" className="wide-only end">
              Known before
            </th>
            <th scope="col" className="end">
              Rejected
            </th>
            <th scope="col" className="wide-only">
              By
            </th>
            <th scope="col" className="wide-only end">
              Started
            </th>
          </tr>
        </thead>
        <tbody>
          {imports.map((one) => (
            <tr key={one.id}>
              <td>
                <button type="button" className="row-link" onClick={() => open(one.id)}>
                  {one.name}
                </button>
              </td>
              <td>
                <State of={one} />
              </td>
              <td className="end">
                <Count n={one.rows} />
              </td>
              <td className="wide-only end">
                <Count n={one.accepted} />
              </td>
              <td className="wide-only end">
                <Count n={one.duplicates} />
              </td>
              <td className="end">
                <Count n={one.rejected} />
              </td>
              <td className="wide-only mute">{one.author}</td>
              <td className="wide-only end">
                <When at={one.startedAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function State({ of }: { of: ImportProgress }) {
  return (
    <span className="import-state">
      <Badge tone={TONES[of.status]}>{of.status}</Badge>
      {(of.status === "running" || of.status === "interrupted") && (
        <progress value={of.share} aria-label={`Of ${of.name}, read so far`} />
      )}
    </span>
  )
}

/** One import: how far it is, what was rejected, and what can be done about it. */
function ImportDialog(props: { id: string; onClose: () => void; onAgain: (source?: Source) => void }) {
  const answer = useImport(props.id)
  const files = useImportFiles()
  const [stopping, setStopping] = useState(false)
  const stop = useStopImport(props.id)
  return (
    <Dialog title={answer.data?.name ?? "Import"} onClose={props.onClose} wide>
      <div className="dialog-body">
        <Answered answer={answer} lines={6}>
          {(one) => (
            <>
              <p aria-live="polite">
                <State of={one} /> {inWords(one)}
              </p>
              {one.error && <div className="notice bad">{one.error}</div>}
              <dl className="import-facts">
                <div>
                  <dt>Stored</dt>
                  <dd>{exactCount(one.accepted)}</dd>
                </div>
                <div>
                  <dt>Known before</dt>
                  <dd>{exactCount(one.duplicates)}</dd>
                </div>
                <div>
                  <dt>Rejected</dt>
                  <dd>{exactCount(one.rejected)}</dd>
                </div>
                <div>
                  <dt>Started</dt>
                  <dd>
                    <When at={one.startedAt} />, by {one.author}
                  </dd>
                </div>
              </dl>
              {one.rejected > 0 && <Report of={one} />}
              {(one.status === "failed" || one.status === "interrupted") && (
                <Again of={one} stored={files.data?.files.some(({ name }) => name === one.name)} go={props.onAgain} />
              )}
              {one.status === "running" && (
                <div className="dialog-foot">
                  <button type="button" className="button" onClick={() => setStopping(true)}>
                    Stop
                  </button>
                </div>
              )}
              {stopping && (
                <Confirm
                  title={`Stop the import of ${one.name}?`}
                  action="Stop the import"
                  busy={stop.isPending}
                  problem={stop.error}
                  onConfirm={() => stop.mutate(undefined, { onSuccess: () => setStopping(false) })}
                  onClose={() => setStopping(false)}
                >
                  <p>What is stored stays. The same file, imported again, continues where it stopped.</p>
                </Confirm>
              )}
            </>
          )}
        </Answered>
      </div>
    </Dialog>
  )
}

function inWords(one: ImportProgress): string {
  const read = `${plural(one.rows, "row")} read`
  if (one.status === "done") return `${read}, the whole file.`
  const share = `${read}, ${Math.round(one.share * 100)} % of the file`
  return one.rate ? `${share}, ${exactCount(Math.round(one.rate))} a second.` : `${share}.`
}

function Again(props: { of: ImportProgress; stored: boolean | undefined; go: (source?: Source) => void }) {
  const { of, stored } = props
  return (
    <div className="notice">
      <p>
        {of.status === "failed"
          ? "What is stored stays. Import the same file with the same mapping again: it continues where it stopped."
          : "A server that has the file continues by itself. If that lasts, import the same file again."}
      </p>
      <button
        type="button"
        className="button"
        onClick={() => props.go(stored ? { name: of.name, stored: true } : undefined)}
      >
        {stored ? "Continue" : "Choose the file"}
      </button>
    </div>
  )
}

/** The first rejected rows, and all of them as a file. */
function Report({ of }: { of: ImportProgress }) {
  const answer = useReport(of.id, of.rejected)
  const file = useFile()
  return (
    <section aria-label="Rejected rows">
      <h3>Rejected rows</h3>
      <Answered answer={answer} lines={4}>
        {(rows) => (
          <div className="table-frame">
            <table>
              <thead>
                <tr>
                  <th scope="col">Line</th>
                  <th scope="col">Why</th>
                </tr>
              </thead>
              <tbody>
                {rows.map((row, n) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: rows of one answer, in its order
                  <tr key={n}>
                    <td>{row.line ?? "—"}</td>
                    <td>
                      {row.message} <code>{row.code}</code>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Answered>
      <p className="tools">
        <button
          type="button"
          className="button small"
          disabled={file.isPending || answer.isError}
          onClick={() => file.mutate(reportOf(of.id))}
        >
          All of them as a file
        </button>
        <Link to="/quality">Rejections of all sources</Link>
      </p>
      <Failed problem={file.error} />
    </section>
  )
}
