import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import { useState } from "react"
import { useDraftsOf } from "../editor/drafts.ts"
import { type Dashboard, useSave, useSavedList } from "../insights/saved/queries.ts"
import { RemoveDialog, RenameDialog } from "../insights/saved/rename.tsx"
import { plural } from "../lib/format.ts"
import { useMay } from "../lib/me.ts"
import { Menu } from "../ui/menu.tsx"
import { NameDialog } from "../ui/naming.tsx"
import { Answered, Badge, Count, Empty, Page, When } from "../ui/parts.tsx"

export function DashboardsPage() {
  const { q = "" } = useSearch({ strict: false }) as { q?: string }
  const dashboards = useSavedList("dashboards")
  const navigate = useNavigate()
  const may = useMay("admin")
  const [making, setMaking] = useState(false)
  return (
    <Page
      title="Dashboards"
      lead="Saved reports beside each other."
      aside={
        <div className="page-tools">
          <input
            type="search"
            className="field filter"
            aria-label="Filter dashboards"
            placeholder="Filter   /"
            value={q}
            onChange={({ target }) =>
              navigate({ to: "/dashboards", search: { q: target.value || undefined }, replace: true })
            }
          />
          {may && (
            <button type="button" className="button primary" onClick={() => setMaking(true)}>
              New dashboard
            </button>
          )}
        </div>
      }
    >
      <Answered answer={dashboards} lines={8}>
        {(all) => <Rows all={all} q={q} may={may} />}
      </Answered>
      {making && <NewDashboard onClose={() => setMaking(false)} />}
    </Page>
  )
}

function Rows({ all, q, may }: { all: Dashboard[]; q: string; may: boolean }) {
  const [open, setOpen] = useState<{ what: "rename" | "remove"; of: Dashboard }>()
  const drafts = useDraftsOf("dashboard")
  const wanted = q.trim().toLowerCase()
  const shown = all.filter(({ key, name, description }) =>
    `${key} ${name} ${description}`.toLowerCase().includes(wanted),
  )
  if (all.length === 0) {
    return (
      <Empty title="No dashboards yet">
        <p>
          {may ? "Make one with New dashboard, or ask" : "Ask"} a question in <Link to="/insights/trends">Trends</Link>
          {may ? " and press Add to dashboard." : "."}
        </p>
      </Empty>
    )
  }
  if (shown.length === 0) return <Empty title={`None of the ${plural(all.length, "dashboard")} has “${q}”`} />
  return (
    <>
      <div className="table-frame">
        <table>
          <thead>
            <tr>
              <th scope="col">Dashboard</th>
              <th scope="col" className="end">
                Tiles
              </th>
              <th scope="col" className="wide-only">
                Saved by
              </th>
              <th scope="col" className="end">
                Saved
              </th>
              {may && (
                <th scope="col">
                  <span className="hidden">Actions</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {shown.map((one) => (
              <tr key={one.key}>
                <td>
                  <Link className="row-link" to="/dashboards/$name" params={{ name: one.key }}>
                    {one.name || one.key}
                  </Link>
                  {drafts.includes(one.key) && <Badge tone="info">draft</Badge>}
                  {one.description && <p className="mute">{one.description}</p>}
                </td>
                <td className="end">
                  <Count n={one.document.tiles?.length ?? 0} />
                </td>
                <td className="wide-only mute">{one.savedBy}</td>
                <td className="end">
                  <When at={one.savedAt} />
                </td>
                {may && (
                  <td className="end">
                    <Menu title={<span className="hidden">Actions for {one.key}</span>}>
                      {(close) =>
                        (["rename", "remove"] as const).map((what) => (
                          <button
                            key={what}
                            type="button"
                            onClick={() => {
                              close()
                              setOpen({ what, of: one })
                            }}
                          >
                            {what === "rename" ? "Rename" : "Delete"}
                          </button>
                        ))
                      }
                    </Menu>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {open?.what === "rename" && (
        <RenameDialog
          kind="dashboards"
          of={open.of}
          onDone={() => setOpen(undefined)}
          onClose={() => setOpen(undefined)}
        />
      )}
      {open?.what === "remove" && (
        <RemoveDialog
          kind="dashboards"
          of={open.of}
          onDone={() => setOpen(undefined)}
          onClose={() => setOpen(undefined)}
        />
      )}
    </>
  )
}

function NewDashboard({ onClose }: { onClose: () => void }) {
  const save = useSave("dashboards")
  const navigate = useNavigate()
  return (
    <NameDialog
      title="New dashboard"
      action="Make it"
      problem={save.error}
      busy={save.isPending}
      onNamed={({ key, ...named }) =>
        save.mutate(
          { key, document: { ...named, tiles: [] }, version: 0 },
          { onSuccess: () => navigate({ to: "/dashboards/$name", params: { name: key }, search: { edit: "yes" } }) },
        )
      }
      onClose={onClose}
    />
  )
}
