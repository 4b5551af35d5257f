/** Sending messages again: counted first, then confirmed. */
import { useState } from "react"
import type { Destination } from "../../lib/api.ts"
import { plural } from "../../lib/format.ts"
import { useZone } from "../../lib/me.ts"
import { useRested } from "../../lib/rested.ts"
import { instantOf, localTime } from "../../lib/zone.ts"
import { announce } from "../../ui/announced.tsx"
import { Confirm } from "../../ui/dialog.tsx"
import { Choice, Labelled } from "../../ui/fields.tsx"
import { Failed } from "../../ui/parts.tsx"
import { type Again, useReplay, useReplayDryRun } from "../queries.ts"

const DAY_MS = 86_400_000
const TYPING_MS = 300

type From = "since" | "after" | "undelivered"

/** Asks from where on, or for what was given up. */
export function ReplayDialog(props: { of: Destination; undelivered: number; onClose: () => void }) {
  const { of, undelivered, onClose } = props
  const zone = useZone()
  const [from, setFrom] = useState<From>("since")
  const [since, setSince] = useState(() => localTime(new Date(Date.now() - DAY_MS).toISOString(), zone))
  const [version, setVersion] = useState("")
  const instant = since ? instantOf(since, zone) : ""
  const given: Again | undefined =
    from === "undelivered"
      ? { undelivered: true }
      : from === "after"
        ? /^\d+$/.test(version)
          ? { afterVersion: Number(version) }
          : undefined
        : instant
          ? { since: instant }
          : undefined
  const options = [
    { value: "since", title: "Since an instant" },
    { value: "after", title: "After a version" },
    ...(undelivered > 0 ? [{ value: "undelivered", title: "Undelivered" }] : []),
  ] as { value: From; title: string }[]
  return (
    <Resend of={of} title={`Replay to ${of.name}`} again={given} onClose={onClose} onDone={onClose}>
      <Choice label="What is sent again" options={options} value={from} onChange={setFrom} />
      {from === "since" && (
        <Labelled label="What was recorded since" hint={`In the zone ${zone}.`}>
          {(names) => (
            <input
              {...names}
              type="datetime-local"
              className="field"
              value={since}
              onChange={(event) => setSince(event.target.value)}
            />
          )}
        </Labelled>
      )}
      {from === "after" && (
        <Labelled
          label="What was committed after the version"
          hint="Of a tracking answer, or a message. 0: all that is kept."
        >
          {(names) => (
            <input
              {...names}
              className="field mono"
              inputMode="numeric"
              value={version}
              placeholder="4711"
              autoComplete="off"
              onChange={(event) => setVersion(event.target.value.trim())}
            />
          )}
        </Labelled>
      )}
      {from === "undelivered" && <p>What was given up is tried as if it were new.</p>}
    </Resend>
  )
}

/** Counts what would be sent again, and sends it when that is confirmed. */
export function Resend(props: {
  of: Destination
  title: string
  again: Again | undefined
  onClose: () => void
  onDone: () => void
  children?: React.ReactNode
}) {
  const { of, again } = props
  const rested = useRested(again === undefined ? "" : JSON.stringify(again), TYPING_MS)
  const asked = rested === "" ? undefined : (JSON.parse(rested) as Again)
  const planned = useReplayDryRun(of.key, asked)
  const replay = useReplay(of.key)
  const current = again !== undefined && JSON.stringify(again) === rested && planned.data !== undefined
  const n = current ? planned.data.messages : undefined
  const exact = again !== undefined && "undelivered" in again
  function send(): void {
    if (again === undefined) return
    replay.mutate(again, {
      onSuccess: ({ messages }) => {
        announce(
          `destination ${of.key}`,
          `${exact ? "" : "Up to "}${plural(messages, "message")} ${messages === 1 ? "is" : "are"} sent again.`,
        )
        props.onDone()
      },
    })
  }
  return (
    <Confirm
      title={props.title}
      action={n ? `Send ${plural(n, "message")} again` : "Send again"}
      busy={!n || replay.isPending}
      problem={replay.error}
      onConfirm={send}
      onClose={props.onClose}
    >
      {props.children}
      {asked !== undefined && <Failed problem={planned.error} />}
      <p role="status" aria-live="polite">
        {again === undefined ? (
          <span className="mute">Say from where on.</span>
        ) : n === undefined ? (
          planned.error ? (
            ""
          ) : (
            <span className="mute">Counting…</span>
          )
        ) : n === 0 ? (
          "There is nothing to send again."
        ) : (
          <>
            <b>
              {exact ? "" : "Up to "}
              {plural(n, "message")}
            </b>{" "}
            {n === 1 ? "is" : "are"} sent again, with {n === 1 ? "its id" : "their ids"}: a receiver that remembers ids
            ignores what it had.
            {!exact && " Those that it does not want are left out."}
          </>
        )}
      </p>
    </Confirm>
  )
}
