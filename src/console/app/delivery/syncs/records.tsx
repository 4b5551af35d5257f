/** Records of a sync in a state, with the reason, and keys that have to leave the receiver. */
import type { Sync, SyncRecord } from "../../lib/api.ts"
import { exactCount } from "../../lib/format.ts"
import { useWanted } from "../../people/span.tsx"
import { Select } from "../../ui/inputs.tsx"
import { Older } from "../../ui/older.tsx"
import { Answered, Badge, Empty, Panel, type Tone } from "../../ui/parts.tsx"
import { Table } from "../../ui/table.tsx"
import { Person } from "../messages/log.tsx"
import { useRecords, useRemovals } from "./queries.ts"
import { line } from "./words.ts"

const STATES = [
  { value: "", title: "All that need work" },
  { value: "failed", title: "Failed" },
  { value: "waiting", title: "Waiting" },
  { value: "unmatched", title: "Unmatched" },
  { value: "sent", title: "Sent" },
]

const TONES: Partial<Record<SyncRecord["state"], Tone>> = { sent: "good", failed: "bad", waiting: "warn" }

export function RecordsOf({ of }: { of: Sync }) {
  const [wanted, want] = useWanted()
  const state = STATES.find(({ value }) => value === wanted.state)?.value ?? ""
  const answer = useRecords(of.key, state || undefined)
  const found = answer.data?.pages.flatMap(({ records }) => records)
  return (
    <>
      <Panel
        title="Records"
        aside={
          <button type="button" className="button small" disabled={answer.isFetching} onClick={() => answer.refetch()}>
            Look again
          </button>
        }
      >
        <div className="tools delivery-tools">
          <Select
            label="State"
            options={STATES}
            value={state}
            onChange={(next) => want({ state: next || undefined })}
          />
        </div>
        <Answered answer={{ ...answer, data: found }} lines={6}>
          {(records) =>
            records.length === 0 ? (
              <Empty title={state ? `No record is ${state}` : "No record needs work"} />
            ) : (
              <div className="sync-rows">
                <Table
                  heads={["Person", "State", "Match key", "Reason", "Failed attempts"]}
                  wide={[2, 4]}
                  ends={[4]}
                  rows={records.map((one) => [
                    <Person key="person" id={one.profileId} />,
                    <Badge key="state" tone={TONES[one.state] ?? "quiet"}>
                      {one.state}
                    </Badge>,
                    one.key === null ? (
                      "—"
                    ) : (
                      <code key="key" className="break">
                        {line(one.key)}
                      </code>
                    ),
                    <span key="reason" className="break">
                      {one.reason || "—"}
                    </span>,
                    exactCount(one.attempts),
                  ])}
                />
                <Older of={answer} title="Show more" />
              </div>
            )
          }
        </Answered>
      </Panel>
      {state === "" && <Removals of={of} />}
    </>
  )
}

function Removals({ of }: { of: Sync }) {
  const answer = useRemovals(of.key)
  const found = answer.data?.pages.flatMap(({ removals }) => removals)
  return (
    <Panel title="To remove">
      <Answered answer={{ ...answer, data: found }} lines={3}>
        {(removals) =>
          removals.length === 0 ? (
            <p className="mute">No key has to leave the receiver.</p>
          ) : (
            <div className="sync-rows">
              <Table
                heads={["Match key", "Person", "State", "Reason", "Failed attempts"]}
                wide={[1, 4]}
                ends={[4]}
                rows={removals.map((one) => [
                  <code key="key" className="break">
                    {line(one.key)}
                  </code>,
                  <Person key="person" id={one.profileId} />,
                  <Badge key="state" tone={one.isBraked || one.attempts > 0 ? "bad" : "quiet"}>
                    {one.isBraked ? "braked" : one.attempts > 0 ? "failed" : "next run"}
                  </Badge>,
                  <span key="reason" className="break">
                    {one.reason || "—"}
                  </span>,
                  exactCount(one.attempts),
                ])}
              />
              <Older of={answer} title="Show more" />
            </div>
          )
        }
      </Answered>
    </Panel>
  )
}
