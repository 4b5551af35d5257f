/** One revision: what it changed, what was changed after it, and the way back to it. */
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router"
import { useState } from "react"
import "./changes.css"
import type { RevisionDetail } from "../lib/api.ts"
import { plural } from "../lib/format.ts"
import { useMay } from "../lib/me.ts"
import { Confirm } from "../ui/dialog.tsx"
import { Choice, Labelled } from "../ui/fields.tsx"
import { Answered, Badge, Page, When } from "../ui/parts.tsx"
import { Changes } from "./changed.tsx"
import { useDifference, useNewest, useRestore, useRestoring, useRevision } from "./queries.ts"

export function RevisionPage() {
  const { revision = "" } = useParams({ strict: false })
  const answer = useRevision(revision)
  const newest = useNewest().data
  const may = useMay("admin")
  const [restoring, setRestoring] = useState(false)
  const of = answer.data
  const older = of !== undefined && newest !== undefined && of.revision < newest
  return (
    <Page
      title={`Revision ${revision}`}
      above={<Link to="/changes">Changes</Link>}
      lead={of?.note}
      aside={
        of && (
          <div className="facts">
            {of.liveAt === null ? (
              <Badge tone="warn">not live</Badge>
            ) : (
              newest === of.revision && <Badge tone="good">newest</Badge>
            )}
            <span className="mute">
              {of.author}, <When at={of.publishedAt} />
            </span>
            <Beside of={of.revision} newest={newest} />
            {may && older && (
              <button type="button" className="button" onClick={() => setRestoring(true)}>
                Restore…
              </button>
            )}
          </div>
        )
      }
    >
      <Answered answer={answer} lines={10}>
        {(found) => <Content of={found} newest={newest} />}
      </Answered>
      {restoring && of && <Restore revision={of.revision} onClose={() => setRestoring(false)} />}
    </Page>
  )
}

/** The revisions before and after. */
function Beside({ of, newest }: { of: number; newest?: number }) {
  const link = (revision: number, title: string) => (
    <Link to="/changes/$revision" params={{ revision: String(revision) }}>
      {title}
    </Link>
  )
  return (
    <nav className="beside" aria-label="Revisions beside">
      {of > 1 && link(of - 1, "← older")}
      {newest !== undefined && of < newest && link(of + 1, "newer →")}
    </nav>
  )
}

function Content({ of, newest }: { of: RevisionDetail; newest?: number }) {
  const { view } = useSearch({ strict: false }) as { view?: string }
  const navigate = useNavigate()
  const older = newest !== undefined && of.revision < newest
  const since = view === "since" && older
  return (
    <>
      {of.liveAt === null && (
        <p className="notice warn">
          {older
            ? "It never went live: a later revision came before it was computed."
            : "It is computed for all people first. Until that is done, the revision before serves; restore that one to cancel."}
        </p>
      )}
      {older && (
        <div className="tools revision-tools">
          <Choice
            label="Which changes"
            options={[
              { value: "", title: "What it changed" },
              { value: "since", title: "What changed after it" },
            ]}
            value={since ? "since" : ""}
            onChange={(chosen) =>
              navigate({
                to: "/changes/$revision",
                params: { revision: String(of.revision) },
                search: { view: chosen || undefined },
                replace: true,
              })
            }
          />
        </div>
      )}
      {since ? <Since revision={of.revision} newest={newest} /> : <Listed of={of.changes} none="It changed nothing." />}
    </>
  )
}

function Since({ revision, newest }: { revision: number; newest: number }) {
  const answer = useDifference(revision, newest, true)
  return (
    <Answered answer={answer} lines={8}>
      {({ changes }) => <Listed of={changes} none={`Revision ${newest} has the same definitions.`} />}
    </Answered>
  )
}

function Listed({ of, none }: { of: RevisionDetail["changes"]; none: string }) {
  if (of.length === 0) return <p className="mute">{none}</p>
  return (
    <section aria-label="Changed definitions">
      <p className="mute">{plural(of.length, "definition")}</p>
      <Changes of={of} />
    </section>
  )
}

function Restore({ revision, onClose }: { revision: number; onClose: () => void }) {
  const planned = useRestoring(revision)
  const restore = useRestore(revision)
  const navigate = useNavigate()
  const [note, setNote] = useState(`Revision ${revision} restored`)
  const changes = planned.data?.changes
  const gone = changes?.filter(({ action }) => action === "delete").length ?? 0
  return (
    <Confirm
      title={`Restore revision ${revision}?`}
      action="Restore"
      busy={!changes || changes.length === 0 || restore.isPending}
      problem={restore.error}
      onConfirm={() =>
        restore.mutate(note.trim(), {
          onSuccess: (published) => {
            onClose()
            navigate({ to: "/changes/$revision", params: { revision: String(published.revision) } })
          },
        })
      }
      onClose={onClose}
    >
      <Answered answer={planned} lines={6}>
        {({ changes, backfilling, warnings }) =>
          changes.length === 0 ? (
            <p>Its definitions are those of now: nothing would change.</p>
          ) : (
            <>
              <p>
                It makes a new revision with {plural(changes.length, "change")}.
                {gone > 0 && (
                  <b>
                    {" "}
                    {gone === 1 ? "1 definition that came later is" : `${gone} definitions that came later are`}{" "}
                    deleted.
                  </b>
                )}
                {backfilling && " It is computed for all people first, and is live after that."}
              </p>
              {warnings.length > 0 && (
                <p className="mute">There are warnings about {warnings.map(({ key }) => key).join(", ")}.</p>
              )}
              <div className="restored">
                <Changes of={changes} linked={false} />
              </div>
            </>
          )
        }
      </Answered>
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
    </Confirm>
  )
}
