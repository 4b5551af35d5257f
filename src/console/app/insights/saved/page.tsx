import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useMay } from "../../lib/me.ts"
import { Menu } from "../../ui/menu.tsx"
import { Answered, Empty, When } from "../../ui/parts.tsx"
import type { Question } from "../query/question.ts"
import { pathOf } from "../tabs.ts"
import { InsightsPage } from "../workbench.tsx"
import { type Report, useSavedList } from "./queries.ts"
import { RemoveDialog, RenameDialog } from "./rename.tsx"

/** All saved reports. */
export function SavedPage() {
  const reports = useSavedList("reports")
  const may = useMay("admin")
  const [renamed, setRenamed] = useState<Report>()
  const [removed, setRemoved] = useState<Report>()
  return (
    <InsightsPage title="Saved reports">
      <Answered answer={reports} lines={8}>
        {(all) =>
          all.length === 0 ? (
            <Empty title="No reports yet">
              <p>
                A report is a question that was saved. Ask one in <Link to="/insights/trends">Trends</Link>, and press
                Save.
              </p>
            </Empty>
          ) : (
            <div className="table-frame">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Report</th>
                    <th scope="col" className="wide-only">
                      Kind
                    </th>
                    <th scope="col" className="wide-only">
                      Used by
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
                  {all.map((one) => (
                    <Row key={one.key} one={one}>
                      {may && (
                        <td className="end">
                          <Menu title={<span className="hidden">Actions for {one.key}</span>}>
                            {(close) => (
                              <>
                                <button
                                  type="button"
                                  onClick={() => {
                                    close()
                                    setRenamed(one)
                                  }}
                                >
                                  Rename
                                </button>
                                <button
                                  type="button"
                                  onClick={() => {
                                    close()
                                    setRemoved(one)
                                  }}
                                >
                                  Delete
                                </button>
                              </>
                            )}
                          </Menu>
                        </td>
                      )}
                    </Row>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Answered>
      {renamed && (
        <RenameDialog
          kind="reports"
          of={renamed}
          onDone={() => setRenamed(undefined)}
          onClose={() => setRenamed(undefined)}
        />
      )}
      {removed && (
        <RemoveDialog
          kind="reports"
          of={removed}
          onDone={() => setRemoved(undefined)}
          onClose={() => setRemoved(undefined)}
        />
      )}
    </InsightsPage>
  )
}

function Row({ one, children }: { one: Report; children?: React.ReactNode }) {
  const question = one.document.question as Question
  const path = pathOf(question)
  return (
    <tr>
      <td>
        {path ? (
          <Link className="row-link" to={path} search={{ report: one.key } as never}>
            {one.name || one.key}
          </Link>
        ) : (
          <b>{one.name || one.key}</b>
        )}
        {one.description && <p className="mute">{one.description}</p>}
      </td>
      <td className="wide-only">{question.kind}</td>
      <td className="wide-only">
        {one.usedBy.length === 0 && <span className="mute">nothing</span>}
        {one.usedBy.map(({ kind, key }) => `${kind} ${key}`).join(", ")}
      </td>
      <td className="end">
        <When at={one.savedAt} />
      </td>
      {children}
    </tr>
  )
}
