/** What was given up, and why; some or all of it can be sent again. */
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import type { Destination, Undelivered, UndeliveredPage } from "../../lib/api.ts"
import { address, ask } from "../../lib/client.ts"
import { exactCount, plural } from "../../lib/format.ts"
import { useWanted } from "../../people/span.tsx"
import { Dialog } from "../../ui/dialog.tsx"
import { Older } from "../../ui/older.tsx"
import { Answered, Badge, Empty, Panel, When } from "../../ui/parts.tsx"
import { Table } from "../../ui/table.tsx"
import { type Again, useUndelivered } from "../queries.ts"
import { Person } from "./log.tsx"
import { Answer, MadeRequest } from "./message.tsx"
import { Resend } from "./replay.tsx"

/** What one request may name. */
const MOST_CHOSEN = 1_000

export function UndeliveredOf({ of }: { of: Destination }) {
  const [wanted, want] = useWanted()
  const answer = useUndelivered(of.key)
  const found = answer.data?.pages.flatMap(({ undelivered }) => undelivered)
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set())
  const [again, setAgain] = useState<Again>()
  // What was sent again meanwhile is chosen no more.
  const still = found?.filter(({ seq }) => chosen.has(seq)).map(({ seq }) => seq) ?? []
  const choose = (seqs: number[], on: boolean) =>
    setChosen(new Set(on ? [...still, ...seqs] : still.filter((seq) => !seqs.includes(seq))))
  const shown = found?.slice(0, MOST_CHOSEN).map(({ seq }) => seq) ?? []
  return (
    <Panel title="Undelivered" aside={<span className="mute">oldest first</span>}>
      <Answered answer={{ ...answer, data: found }} lines={8}>
        {(all) =>
          all.length === 0 ? (
            <Empty title="Nothing is undelivered">
              <p>A message is given up after ten attempts in about three days.</p>
            </Empty>
          ) : (
            <>
              <div className="tools delivery-tools">
                <button
                  type="button"
                  className="button"
                  disabled={still.length === 0 || still.length > MOST_CHOSEN}
                  onClick={() => setAgain({ undelivered: still })}
                >
                  {still.length === 0 ? "Send the chosen again…" : `Send ${plural(still.length, "message")} again…`}
                </button>
                <button type="button" className="button" onClick={() => setAgain({ undelivered: true })}>
                  Send all again…
                </button>
              </div>
              <Table
                heads={["Chosen", "What", "Person", "Reason", "Attempts", "Given up"]}
                wide={[2, 4]}
                ends={[4, 5]}
                rows={all.map((one) => [
                  <input
                    key="chosen"
                    type="checkbox"
                    className="row-tick"
                    aria-label={`Choose message ${one.seq}`}
                    checked={chosen.has(one.seq)}
                    onChange={(event) => choose([one.seq], event.target.checked)}
                  />,
                  <button
                    key="what"
                    type="button"
                    className="row-link"
                    onClick={() => want({ message: String(one.seq) })}
                  >
                    {nameOf(one)}
                  </button>,
                  one.profileId === null ? <span key="person">—</span> : <Person key="person" id={one.profileId} />,
                  <Reason key="reason" of={one} short />,
                  exactCount(one.attempts),
                  <When key="when" at={one.givenUpAt} />,
                ])}
              />
              <p className="tools delivery-tools">
                <button type="button" className="link" onClick={() => choose(shown, still.length < shown.length)}>
                  {still.length < shown.length ? `Choose all ${exactCount(shown.length)} shown` : "Choose none"}
                </button>
              </p>
              <Older of={answer} title="Show more" />
            </>
          )
        }
      </Answered>
      {again && (
        <Resend
          of={of}
          title={`Send again to ${of.name}`}
          again={again}
          onClose={() => setAgain(undefined)}
          onDone={() => {
            setAgain(undefined)
            setChosen(new Set())
          }}
        />
      )}
      {wanted.message !== undefined && !again && (
        <MessageDialog
          of={of}
          seq={Number(wanted.message)}
          onAgain={(seq) => {
            want({ message: undefined })
            setAgain({ undelivered: [seq] })
          }}
          onClose={() => want({ message: undefined })}
        />
      )}
    </Panel>
  )
}

function nameOf({ type }: Undelivered): string {
  return type ?? "a message that was dropped since"
}

/** short: on a phone only the status. */
function Reason({ of, short = false }: { of: Undelivered; short?: boolean }) {
  return (
    <>
      <Badge tone="bad">{of.status ?? "no answer"}</Badge>{" "}
      <span className={short ? "mute break wide-only" : "mute break"}>{of.reason}</span>
    </>
  )
}

function MessageDialog(props: { of: Destination; seq: number; onAgain: (seq: number) => void; onClose: () => void }) {
  const { of, seq } = props
  const known = Number.isSafeInteger(seq) && seq > 0
  const answer = useQuery({
    queryKey: ["destinations", "undelivered one", of.key, seq],
    queryFn: async ({ signal }) => {
      const url = address(["destinations", of.key, "undelivered"], { after: seq - 1, limit: 1 })
      const { undelivered } = await ask<UndeliveredPage>(url, { signal })
      return undelivered.find((one) => one.seq === seq) ?? null
    },
    enabled: known,
  })
  return (
    <Dialog title={answer.data ? nameOf(answer.data) : "Undelivered message"} onClose={props.onClose} wide>
      {known ? (
        <Answered answer={answer} lines={8}>
          {(one) =>
            one ? (
              <>
                <dl className="pairs key-facts">
                  <div>
                    <dt>Reason</dt>
                    <dd>
                      <Reason of={one} />
                    </dd>
                  </div>
                  <div>
                    <dt>Happened</dt>
                    <dd>
                      <When at={one.happenedAt} none="dropped since" />
                    </dd>
                  </div>
                  <div>
                    <dt>Given up</dt>
                    <dd>
                      <When at={one.givenUpAt} />, after {plural(one.attempts, "attempt")}
                    </dd>
                  </div>
                </dl>
                <Answer text={one.answer} failed />
                <MadeRequest name={of.key} seq={one.seq} />
                <div className="dialog-foot">
                  <button type="button" className="button primary" onClick={() => props.onAgain(one.seq)}>
                    Send again…
                  </button>
                </div>
              </>
            ) : (
              <p className="dialog-body">It is not undelivered any more.</p>
            )
          }
        </Answered>
      ) : (
        <p className="dialog-body">There is no such message.</p>
      )}
    </Dialog>
  )
}
