/** Exports that are repeated: when each is due, and what became of the newest. */
import { useState } from "react"
import type { Schedule } from "../lib/api.ts"
import { useMay } from "../lib/me.ts"
import { Confirm } from "../ui/dialog.tsx"
import { Answered, Badge, Panel, When } from "../ui/parts.tsx"
import { contentOf, useDeleteSchedule, type useSchedules } from "./export_queries.ts"

export function ScheduleList(props: {
  answer: ReturnType<typeof useSchedules>
  /** The key of one that is to be changed. */
  onChange: (key: string) => void
}) {
  const isAdmin = useMay("admin")
  const [ending, setEnding] = useState<Schedule>()
  const remove = useDeleteSchedule()
  return (
    <Panel title="Schedules">
      <Answered answer={props.answer} lines={3}>
        {(schedules) =>
          schedules.length === 0 ? (
            <p className="mute about">No export is repeated. Tick “Repeat it” in a new one.</p>
          ) : (
            <div className="table-frame">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Schedule</th>
                    <th scope="col" className="wide-only">
                      Content
                    </th>
                    <th scope="col" className="wide-only">
                      When
                    </th>
                    <th scope="col" className="end">
                      Next
                    </th>
                    <th scope="col" className="wide-only end">
                      Newest
                    </th>
                    {isAdmin && (
                      <th scope="col" className="end">
                        Change
                      </th>
                    )}
                  </tr>
                </thead>
                <tbody>
                  {schedules.map((one) => (
                    <tr key={one.key}>
                      <td>{one.name}</td>
                      <td className="wide-only">
                        {contentOf(one.document)} <code>{one.document.format ?? "csv"}</code>
                      </td>
                      <td className="wide-only">
                        <code>{one.document.cron}</code> <span className="mute">{one.zone}</span>
                      </td>
                      <td className="end">
                        <When at={one.nextAt} none="paused" />
                      </td>
                      <td className="wide-only end">
                        {one.last ? (
                          <>
                            <Badge tone={one.last.status === "failed" ? "bad" : "quiet"}>{one.last.status}</Badge>{" "}
                            <When at={one.last.createdAt} />
                          </>
                        ) : (
                          <span className="mute">—</span>
                        )}
                      </td>
                      {isAdmin && (
                        <td className="end">
                          <span className="formats">
                            <button
                              type="button"
                              className="button small"
                              aria-label={`Change ${one.key}`}
                              onClick={() => props.onChange(one.key)}
                            >
                              Change
                            </button>
                            <button
                              type="button"
                              className="button small"
                              aria-label={`Delete ${one.key}`}
                              onClick={() => setEnding(one)}
                            >
                              Delete
                            </button>
                          </span>
                        </td>
                      )}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Answered>
      {ending && (
        <Confirm
          title={`Delete the schedule ${ending.key}?`}
          action="Delete the schedule"
          busy={remove.isPending}
          problem={remove.error}
          onConfirm={() => remove.mutate(ending.key, { onSuccess: () => setEnding(undefined) })}
          onClose={() => {
            remove.reset()
            setEnding(undefined)
          }}
        >
          <p>Files that it made stay until they expire. A version can be restored.</p>
        </Confirm>
      )}
    </Panel>
  )
}
