/** The attempts of a destination, newest first, each with the request and the answer. */

import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import type { Deliveries, Delivery, Destination } from "../../lib/api.ts"
import { address, ask } from "../../lib/client.ts"
import { exactCount, moment, plural, relative, whole } from "../../lib/format.ts"
import { useZone } from "../../lib/me.ts"
import { useWanted } from "../../people/span.tsx"
import { Dialog } from "../../ui/dialog.tsx"
import { Tick } from "../../ui/fields.tsx"
import { Older } from "../../ui/older.tsx"
import { Answered, Badge, Empty, Panel, useNow, When } from "../../ui/parts.tsx"
import { Table } from "../../ui/table.tsx"
import { useDeliveries } from "../queries.ts"
import { TYPES } from "../words.ts"
import { Answer, MadeRequest } from "./message.tsx"

const LOOK_MS = 5_000

export function Log({ of }: { of: Destination }) {
  const [wanted, want] = useWanted()
  const failed = wanted.failed !== undefined
  const answer = useDeliveries(of.key, failed)
  const attempts = answer.data?.pages.flatMap(({ deliveries }) => deliveries)
  const newest = useNewest(of.key, failed)
  const isOld = attempts !== undefined && newest !== undefined && newest > (attempts[0]?.id ?? 0)
  return (
    <Panel title="Attempts" aside={<span className="mute">newest first, of a week</span>}>
      <div className="tools delivery-tools">
        <Tick
          label="Only failed ones"
          checked={failed}
          onChange={(on) => want({ failed: on ? "yes" : undefined, attempt: undefined })}
        />
        {isOld && (
          <button
            type="button"
            className="button small"
            disabled={answer.isRefetching}
            onClick={() => answer.refetch()}
          >
            Show newer attempts
          </button>
        )}
      </div>
      <Answered answer={{ ...answer, data: attempts }} lines={8}>
        {(found) =>
          found.length === 0 ? (
            <Empty title={failed ? "No attempt failed" : "Nothing was sent yet"}>
              <p>
                {failed
                  ? "Every attempt of the last week arrived."
                  : "It gets what happens after it was saved. A test sends a message at once."}
              </p>
            </Empty>
          ) : (
            <>
              <Table
                heads={["What", "Person", "Answer", "Attempt", "Took", "When"]}
                wide={[1, 3, 4]}
                ends={[3, 4, 5]}
                rows={found.map((one) => [
                  <button
                    key="what"
                    type="button"
                    className="row-link"
                    onClick={() => want({ attempt: String(one.id) })}
                  >
                    {nameOf(one)}
                  </button>,
                  one.profileId === null ? <span key="person">—</span> : <Person key="person" id={one.profileId} />,
                  <Outcome key="answer" of={one} />,
                  one.seq === null ? <span key="attempt">—</span> : exactCount(one.attempt),
                  `${exactCount(one.durationMs)} ms`,
                  <Moment key="when" at={one.at} />,
                ])}
              />
              <Older of={answer} title="Show older" />
            </>
          )
        }
      </Answered>
      {wanted.attempt !== undefined && (
        <AttemptDialog of={of} id={Number(wanted.attempt)} onClose={() => want({ attempt: undefined })} />
      )}
    </Panel>
  )
}

/** The number of the newest attempt, looked for now and then: the list stays as it is until it is asked for. */
function useNewest(name: string, failed: boolean): number | undefined {
  return useQuery({
    queryKey: ["destinations", "newest delivery", name, failed],
    queryFn: async ({ signal }) => {
      const query = { limit: 1, failed: failed ? "true" : undefined }
      const { deliveries } = await ask<Deliveries>(address(["destinations", name, "deliveries"], query), { signal })
      return deliveries[0]?.id ?? 0
    },
    refetchInterval: LOOK_MS,
  }).data
}

export function Person({ id }: { id: string }) {
  return (
    <Link to="/users/$id" params={{ id }} search={{ by: "profileId" }}>
      profile {id}
    </Link>
  )
}

/** The time of day of an instant; of another day, with that. */
function Moment({ at }: { at: string }) {
  const zone = useZone()
  const now = useNow()
  return (
    <time dateTime={at} title={`${whole(at, zone)}, ${relative(Date.parse(at), now)}`}>
      {moment(at, zone, now)}
    </time>
  )
}

function nameOf({ seq, type, records }: Delivery): string {
  if (records !== null) return `a batch of ${plural(records, "record")}`
  if (seq === null) return "a test"
  return type ?? "a message that was dropped since"
}

function Outcome({ of }: { of: Delivery }) {
  if (of.error === "") return <Badge tone="good">{of.status ?? "arrived"}</Badge>
  return (
    <>
      <Badge tone="bad">{of.status ?? "no answer"}</Badge> <span className="mute break">{of.error}</span>
    </>
  )
}

function AttemptDialog({ of, id, onClose }: { of: Destination; id: number; onClose: () => void }) {
  const answer = useQuery({
    queryKey: ["destinations", "delivery", of.key, id],
    queryFn: async ({ signal }) => {
      const query = { before: id + 1, limit: 1 }
      const { deliveries } = await ask<Deliveries>(address(["destinations", of.key, "deliveries"], query), { signal })
      return deliveries.find((one) => one.id === id) ?? null
    },
    enabled: Number.isSafeInteger(id) && id >= 0,
  })
  const one = answer.data
  return (
    <Dialog
      title={one ? nameOf(one) : "Attempt"}
      lead={one?.type && TYPES[one.type] && `When ${TYPES[one.type]}.`}
      onClose={onClose}
      wide
    >
      {Number.isSafeInteger(id) && id >= 0 ? (
        <Answered answer={answer} lines={8}>
          {(found) => (found ? <Attempt of={of} one={found} /> : <p className="dialog-body">It is no longer kept.</p>)}
        </Answered>
      ) : (
        <p className="dialog-body">There is no such attempt.</p>
      )}
    </Dialog>
  )
}

function Attempt({ of, one }: { of: Destination; one: Delivery }) {
  return (
    <>
      <dl className="pairs key-facts">
        <div>
          <dt>Answer</dt>
          <dd>
            <Outcome of={one} />
          </dd>
        </div>
        <div>
          <dt>Sent</dt>
          <dd>
            <When at={one.at} />, in {exactCount(one.durationMs)} ms
            {one.seq !== null && `, attempt ${one.attempt}`}
          </dd>
        </div>
        {one.webhookId !== null && (
          <div>
            <dt>Message id</dt>
            <dd>
              <code className="break">{one.webhookId}</code>
            </dd>
          </div>
        )}
        {one.profileId !== null && (
          <div>
            <dt>Person</dt>
            <dd>
              <Person id={one.profileId} />
            </dd>
          </div>
        )}
      </dl>
      <Answer text={one.answer} failed={one.error !== ""} />
      {one.records !== null ? (
        <p className="mute">What a batch had is not kept.</p>
      ) : one.seq === null ? (
        <p className="mute">What a test sent is not kept. The tab Test makes it again.</p>
      ) : (
        <MadeRequest name={of.key} seq={one.seq} />
      )}
    </>
  )
}
