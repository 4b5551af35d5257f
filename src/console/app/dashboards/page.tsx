import { useIsFetching, useQueryClient } from "@tanstack/react-query"
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router"
import { RotateCw } from "lucide-react"
import { type ReactNode, useState } from "react"
import "../charts/charts.css"
import "../insights/insights.css"
import "./dashboards.css"
import { isConflict } from "../editor/changes.ts"
import { COMMAND, useCommand } from "../editor/commands.ts"
import { useDraft, useDraftsOf } from "../editor/drafts.ts"
import { LASTS } from "../insights/builder/range.ts"
import { cellTexts, withCell } from "../insights/query/cells.ts"
import type { Texts } from "../insights/query/flat.ts"
import type { OfKind } from "../insights/query/question.ts"
import { type Dashboard, useSave, useSaved } from "../insights/saved/queries.ts"
import { RemoveDialog, RenameDialog } from "../insights/saved/rename.tsx"
import type { Tile } from "../lib/api.ts"
import { problemAt, problemElsewhere, RequestFailed } from "../lib/client.ts"
import { useSingleKey } from "../lib/keys.ts"
import { useMay, useMe } from "../lib/me.ts"
import { Menu } from "../ui/menu.tsx"
import { Answered, Empty, Failed, Page, When } from "../ui/parts.tsx"
import { Grid } from "./grid.tsx"
import { TileForm } from "./tile_form.tsx"
import { shortest } from "./tiles.ts"
import { VersionsDialog } from "./versions.tsx"

const ABOVE = <Link to="/dashboards">Dashboards</Link>

export function DashboardPage() {
  const { name = "" } = useParams({ strict: false })
  const { edit } = useSearch({ strict: false }) as { edit?: string }
  const answer = useSaved("dashboards", name)
  const environment = useMe()?.environment.key
  const may = useMay("admin")
  const of = answer.data
  const editing = may && edit && environment
  if (editing && isGone(answer.error)) {
    return <Editing key={name} name={name} of={of} environment={environment} deleted />
  }
  if (!of) {
    return (
      <Page title={name} above={ABOVE}>
        <Answered answer={answer} lines={12}>
          {() => null}
        </Answered>
      </Page>
    )
  }
  if (editing) return <Editing key={name} name={name} of={of} environment={environment} />
  return <Shown key={name} of={of} answer={answer} may={may} />
}

/** A dashboard as it is saved. A range in the address is for looking only: the document has none. */
function Shown(props: { of: Dashboard; answer: Parameters<typeof Answered<Dashboard>>[0]["answer"]; may: boolean }) {
  const { of, may } = props
  const search = useSearch({ strict: false }) as Texts
  const { last } = search
  const looked = search.tile ? { tile: Number(search.tile) - 1, texts: cellTexts(search) } : undefined
  const navigate = useNavigate()
  const draft = useDraftsOf("dashboard").includes(of.key)
  const [open, setOpen] = useState<"" | "rename" | "remove" | "versions">("")
  const tiles = of.document.tiles ?? []
  const edit = () => toDashboard({ edit: "yes" })
  useSingleKey("e", () => may && edit())

  function toDashboard(search: { edit?: string; last?: string }, replace = false): void {
    navigate({ to: "/dashboards/$name", params: { name: of.key }, search, replace, resetScroll: false })
  }

  /** A tile is named by its place, as readers count. */
  function look(tile: number, cell: OfKind | undefined): void {
    const change = ({ tile: _, ...before }: Texts) => ({
      ...withCell(before, cell),
      ...(cell && { tile: `${tile + 1}` }),
    })
    navigate({ to: ".", search: change as never, resetScroll: false })
  }

  return (
    <Page
      title={of.name || of.key}
      above={ABOVE}
      lead={of.description || undefined}
      aside={
        <div className="page-tools">
          {tiles.some(({ text }) => !text) && (
            <>
              <select
                className="field"
                aria-label="Range of all tiles"
                value={last ?? ""}
                onChange={({ target }) => toDashboard({ last: target.value || undefined }, true)}
              >
                <option value="">Ranges as saved</option>
                {LASTS.map(({ value, title }) => (
                  <option key={value} value={value}>
                    {title}
                  </option>
                ))}
                {last && !LASTS.some(({ value }) => value === last) && <option value={last}>Last {last}</option>}
              </select>
              <Refresh />
            </>
          )}
          {may && (
            <button type="button" className="button" onClick={edit}>
              {draft ? "Go on with the draft" : "Edit"} <kbd>E</kbd>
            </button>
          )}
          <Menu title="More">
            {(close) =>
              (may ? (["rename", "versions", "remove"] as const) : (["versions"] as const)).map((what) => (
                <button
                  key={what}
                  type="button"
                  onClick={() => {
                    close()
                    setOpen(what)
                  }}
                >
                  {{ rename: "Rename", versions: "Versions", remove: "Delete" }[what]}
                </button>
              ))
            }
          </Menu>
        </div>
      }
    >
      <Answered answer={props.answer}>
        {() =>
          tiles.length === 0 ? (
            <NoTiles may={may}>
              {may && (
                <button type="button" className="button primary" onClick={edit}>
                  Add a tile
                </button>
              )}
            </NoTiles>
          ) : (
            <Grid tiles={tiles} last={last} cell={looked} show={look} />
          )
        }
      </Answered>
      <p className="mute small">
        Version {of.version}, saved <When at={of.savedAt} /> by {of.savedBy}
      </p>
      {open === "versions" && <VersionsDialog of={of} onClose={() => setOpen("")} />}
      {open === "rename" && (
        <RenameDialog
          kind="dashboards"
          of={of}
          onDone={(key) => {
            setOpen("")
            if (key !== of.key) navigate({ to: "/dashboards/$name", params: { name: key }, replace: true })
          }}
          onClose={() => setOpen("")}
        />
      )}
      {open === "remove" && (
        <RemoveDialog
          kind="dashboards"
          of={of}
          onDone={() => navigate({ to: "/dashboards" })}
          onClose={() => setOpen("")}
        />
      )}
    </Page>
  )
}

/** Asks all questions of the page again. The server answers from its cache what nothing has changed. */
function Refresh() {
  const queries = useQueryClient()
  const busy = useIsFetching({ queryKey: ["analytics", "answer"] }) > 0
  return (
    <button
      type="button"
      className="icon-button"
      aria-label="Refresh"
      title="Refresh"
      aria-busy={busy || undefined}
      onClick={() => queries.invalidateQueries({ queryKey: ["analytics", "answer"] })}
    >
      <RotateCw aria-hidden="true" />
    </button>
  )
}

function NoTiles({ may, children }: { may: boolean; children?: ReactNode }) {
  return (
    <Empty title="No tiles yet">
      <p>
        A tile shows a saved report, a question or a text. {may ? "Add one here, or ask" : "Ask"} a question in{" "}
        <Link to="/insights/trends">Trends</Link>
        {may && " and press Add to dashboard"}.
      </p>
      {children && <p>{children}</p>}
    </Empty>
  )
}

/** The tiles as they are edited, and as they were when that began. */
interface Fields {
  tiles: Tile[]
  began: Tile[]
}

interface EditingProps {
  name: string
  /** As it is saved, or was before it was deleted; nothing if that was before this page. */
  of?: Dashboard
  environment: string
  deleted?: boolean
}

/**
 * A dashboard while it is edited. What is changed is kept in this browser until it is saved or discarded.
 *
 * Laws: only the version that the draft began from is replaced, or a later one with the same tiles. One that was
 * deleted is saved anew.
 */
function Editing({ name, of, environment, deleted = false }: EditingProps) {
  const version = of && !deleted ? of.version : 0
  const published = of?.document.tiles ?? []
  const place = { environment, kind: "dashboard", name }
  const draft = useDraft<Fields>(place, version, { tiles: published, began: published })
  const { tiles, began } = draft.fields
  const save = useSave("dashboards", draft.finish)
  const differs = draft.drafted && draft.base !== version && !isSame(began, published)
  const conflict = of !== undefined && !deleted && differs && !save.isPending
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [added, setAdded] = useState<"report" | "text" | "question">()

  function keep(next: Tile[]): void {
    draft.change({ tiles: next.map(shortest) })
  }

  function leave(): void {
    if (deleted) navigate({ to: "/dashboards" })
    else toSaved()
  }

  function toSaved(): void {
    navigate({ to: "/dashboards/$name", params: { name }, search: {}, resetScroll: false })
  }

  function publish(): void {
    if (!draft.drafted || conflict || save.isPending) return
    save.mutate(
      { key: name, document: { name, ...of?.document, tiles }, version },
      {
        onSuccess: toSaved,
        onError: (problem) => isConflict(problem) && queries.invalidateQueries({ queryKey: ["dashboards"] }),
      },
    )
  }

  function discard(): void {
    if (!save.isPending) save.reset()
    draft.discard()
  }

  useCommand("s", publish)
  // The page itself says what another person did, once it is read.
  const problem = conflict || (deleted && save.variables?.version) ? null : save.error
  const places = tiles.map((_, at) => `$.tiles[${at}]`)
  return (
    <Page
      title={`Edit ${of?.name || name}`}
      above={ABOVE}
      aside={
        <div className="edit-actions">
          <span className="mute small" role="status">
            {draft.drafted ? `Draft of version ${draft.base}, kept` : ""}
          </span>
          <Menu title="Add">
            {(close) =>
              (["report", "text", "question"] as const).map((kind) => (
                <button
                  key={kind}
                  type="button"
                  onClick={() => {
                    close()
                    setAdded(kind)
                  }}
                >
                  {{ report: "Saved report", text: "Text", question: "Question as JSON" }[kind]}
                </button>
              ))
            }
          </Menu>
          {draft.drafted && (
            <button type="button" className="button" onClick={discard}>
              Discard draft
            </button>
          )}
          <button type="button" className="button" onClick={leave}>
            Close
          </button>
          <button
            type="button"
            className="button primary"
            disabled={!draft.drafted || conflict || save.isPending}
            onClick={publish}
          >
            {save.isPending ? "Saving…" : "Save"} <kbd>{COMMAND}S</kbd>
          </button>
        </div>
      }
    >
      {deleted && (
        <div className="notice warn" role="alert">
          <p>
            {of?.name || name} was deleted.{" "}
            {draft.drafted ? "Your draft is kept: save it, and the dashboard exists again." : ""}
          </p>
        </div>
      )}
      {conflict && (
        <div className="notice warn" role="alert">
          <div>
            <p>
              {of.savedBy} saved version {of.version} <When at={of.savedAt} />, with other tiles. Your draft began from
              version {draft.base}. It is kept, and nothing was overwritten.{" "}
              <a href={`/dashboards/${encodeURIComponent(name)}`} target="_blank" rel="noreferrer">
                Look at theirs
              </a>
            </p>
            <div className="conflict-foot">
              <button
                type="button"
                className="button primary"
                onClick={() => {
                  save.reset()
                  draft.rebase(version, { tiles, began: published })
                }}
              >
                Go on with yours
              </button>
              <button type="button" className="button" onClick={discard}>
                Take theirs
              </button>
            </div>
          </div>
        </div>
      )}
      {draft.replaced && !draft.drafted && (
        <div className="notice" role="status">
          <p>The draft is discarded.</p>
          <button type="button" className="button" onClick={draft.bringBack}>
            Bring it back
          </button>
        </div>
      )}
      <Failed problem={problemElsewhere(problem, places)} />
      {tiles.length === 0 ? (
        <NoTiles may />
      ) : (
        <Grid tiles={tiles} problemOf={(at) => problemAt(problem, places[at] ?? "")} onChange={keep} />
      )}
      {added && (
        <TileForm
          kind={added}
          onDone={(tile) => {
            keep([...tiles, tile])
            setAdded(undefined)
          }}
          onClose={() => setAdded(undefined)}
        />
      )}
    </Page>
  )
}

function isGone(problem: Error | null): boolean {
  return problem instanceof RequestFailed && problem.status === 404
}

function isSame(one: Tile[], other: Tile[]): boolean {
  return JSON.stringify(one.map(shortest)) === JSON.stringify(other.map(shortest))
}
