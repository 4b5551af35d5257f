/** Files that the worker writes: what was asked for, how far each is, and how it is opened. */
import { useState } from "react"
import type { ExportJob } from "../lib/api.ts"
import { exactCount } from "../lib/format.ts"
import { useMay } from "../lib/me.ts"
import { Confirm, Dialog } from "../ui/dialog.tsx"
import { Choice } from "../ui/fields.tsx"
import { Answered, Badge, Copyable, Count, Empty, Failed, Panel, type Tone, When } from "../ui/parts.tsx"
import type { FileOf } from "./download.tsx"
import { contentOf, fileOf, isGoing, sizeInWords, useEndExport, useExportJobs, useLink } from "./export_queries.ts"

const TONES: Record<ExportJob["status"], Tone> = {
  waiting: "quiet",
  running: "info",
  done: "good",
  failed: "bad",
  canceled: "quiet",
  removed: "quiet",
}

/** `before` is the number that the page of exports begins before, undefined for the newest. */
export function Jobs(props: { file: FileOf; before: number | undefined; look: (before: number | undefined) => void }) {
  const answer = useExportJobs(props.before)
  const [linked, setLinked] = useState<ExportJob>()
  const [ending, setEnding] = useState<ExportJob>()
  const end = useEndExport()
  return (
    <Panel title="Files">
      <Answered answer={answer} lines={4}>
        {({ exports, next }) =>
          exports.length === 0 ? (
            <Empty
              title={props.before ? "There is no older export" : "Nothing was exported yet"}
              command="tinycdp export run profiles --output everyone.xlsx"
            >
              <p>Start one above, or on the command line:</p>
            </Empty>
          ) : (
            <>
              <div className="table-frame">
                <table className="exports">
                  <thead>
                    <tr>
                      <th scope="col">Content</th>
                      <th scope="col">State</th>
                      <th scope="col" className="wide-only end">
                        Rows
                      </th>
                      <th scope="col" className="wide-only">
                        By
                      </th>
                      <th scope="col" className="wide-only end">
                        Started
                      </th>
                      <th scope="col" className="end">
                        File
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {exports.map((job) => (
                      <Row key={job.id} job={job} file={props.file} onLink={setLinked} onEnd={setEnding} />
                    ))}
                  </tbody>
                </table>
              </div>
              {(props.before !== undefined || next !== null) && (
                <p className="tools">
                  {props.before !== undefined && (
                    <button type="button" className="button small" onClick={() => props.look(undefined)}>
                      Newest
                    </button>
                  )}
                  {next !== null && (
                    <button type="button" className="button small" onClick={() => props.look(next)}>
                      Older
                    </button>
                  )}
                </p>
              )}
            </>
          )
        }
      </Answered>
      {linked && <LinkDialog job={linked} onClose={() => setLinked(undefined)} />}
      {ending && (
        <Confirm
          title={isGoing(ending) ? `Cancel the export of ${ending.name}?` : `Remove the file ${ending.name}?`}
          action={isGoing(ending) ? "Cancel the export" : "Remove the file"}
          busy={end.isPending}
          problem={end.error}
          onConfirm={() => end.mutate(ending.id, { onSuccess: () => setEnding(undefined) })}
          onClose={() => {
            end.reset()
            setEnding(undefined)
          }}
        >
          <p>
            {isGoing(ending)
              ? "What was written so far is thrown away."
              : "Its links end. The rows can be exported again, as they are then."}
          </p>
        </Confirm>
      )}
    </Panel>
  )
}

function Row(props: {
  job: ExportJob
  file: FileOf
  onLink: (job: ExportJob) => void
  onEnd: (job: ExportJob) => void
}) {
  const { job, file } = props
  const isAdmin = useMay("admin")
  const called = `${contentOf(job.request)} as ${job.format}, ${job.id}`
  return (
    <tr>
      <td>
        {contentOf(job.request)} <code>{job.format}</code>
      </td>
      <td>
        <span className="import-state">
          <Badge tone={TONES[job.status]}>{job.status}</Badge>
          {job.status === "running" && <progress value={job.share} aria-label={`Of ${called}, done so far`} />}
          {job.status === "done" && job.size !== null && <span className="mute">{sizeInWords(job.size)}</span>}
        </span>
        {job.error && (
          <p className="job-note">
            {job.error.message} <code>{job.error.code}</code>
          </p>
        )}
        {job.note && <p className="job-note mute">{job.note}</p>}
        {job.expiresAt && (
          <p className="job-note mute">
            goes <When at={job.expiresAt} />
          </p>
        )}
      </td>
      <td className="wide-only end">
        {isGoing(job) && job.total !== null ? (
          <span className="number">
            {exactCount(job.rows)} of {exactCount(job.total)}
          </span>
        ) : (
          <Count n={job.rows} />
        )}
      </td>
      <td className="wide-only mute">{job.author}</td>
      <td className="wide-only end">
        <When at={job.createdAt} />
      </td>
      <td className="end">
        <span className="formats">
          {job.status === "done" && (
            <>
              <button
                type="button"
                className="button small"
                aria-label={`Download ${called}`}
                disabled={file.isPending}
                onClick={() => file.mutate(fileOf(job))}
              >
                Download
              </button>
              <button
                type="button"
                className="button small"
                aria-label={`Link to ${called}`}
                onClick={() => props.onLink(job)}
              >
                Link
              </button>
            </>
          )}
          {isAdmin && (isGoing(job) || job.status === "done") && (
            <button
              type="button"
              className="button small"
              aria-label={`${isGoing(job) ? "Cancel" : "Remove"} ${called}`}
              onClick={() => props.onEnd(job)}
            >
              {isGoing(job) ? "Cancel" : "Remove"}
            </button>
          )}
        </span>
      </td>
    </tr>
  )
}

const HOURS = [
  { value: "1", title: "an hour" },
  { value: "24", title: "a day" },
  { value: "168", title: "a week" },
] as const

function LinkDialog({ job, onClose }: { job: ExportJob; onClose: () => void }) {
  const [hours, setHours] = useState<(typeof HOURS)[number]["value"]>("24")
  const link = useLink()
  return (
    <Dialog
      title={`Link to ${job.name}`}
      lead="It opens the file without a key, for anyone who has it. It ends when the file goes, or with the key that you use here."
      onClose={onClose}
    >
      <div className="dialog-body">
        <p className="tools">
          <span>Valid for</span>
          <Choice
            label="Valid for"
            options={HOURS}
            value={hours}
            onChange={(chosen) => {
              setHours(chosen)
              link.reset()
            }}
          />
        </p>
        <Failed problem={link.error} />
        <div aria-live="polite">
          {link.data && (
            <>
              <Copyable text={link.data.url} />
              <p className="mute">
                It ends <When at={link.data.until} />.
              </p>
            </>
          )}
        </div>
        {!link.isSuccess && (
          <div className="dialog-foot">
            <button
              type="button"
              className="button primary"
              disabled={link.isPending}
              onClick={() => link.mutate({ id: job.id, hours: Number(hours) })}
            >
              Create the link
            </button>
          </div>
        )}
      </div>
    </Dialog>
  )
}
