import { Link } from "@tanstack/react-router"
import { Fragment } from "react"
import type { HourCount, LoggedRejection } from "../lib/api.ts"
import { clock, plural } from "../lib/format.ts"
import { useMay, useZone } from "../lib/me.ts"
import { Bars } from "../ui/bars.tsx"
import { Dialog } from "../ui/dialog.tsx"
import { Choice } from "../ui/fields.tsx"
import { Older } from "../ui/older.tsx"
import { Answered, Count, Empty, Panel, useNow, When } from "../ui/parts.tsx"
import { Table } from "../ui/table.tsx"
import { byCode, inAll, overTime } from "./counts.ts"
import type { Look } from "./look.ts"
import { Narrowed } from "./narrowed.tsx"
import { Payload } from "./payload.tsx"
import { useCounts, useRejection, useRejections } from "./queries.ts"

const PERIODS = [
  { value: "48", title: "48 hours" },
  { value: "720", title: "30 days" },
  { value: "2160", title: "90 days" },
] as const
const HOUR_MS = 3_600_000
type Period = (typeof PERIODS)[number]["value"]

interface Looking {
  search: Look
  look: (change: Look) => void
}

export function RejectionsView({ search, look }: Looking) {
  const may = useMay("admin")
  const period: Period = PERIODS.find(({ value }) => value === search.hours)?.value ?? "48"
  const answer = useCounts(Number(period), may)
  return (
    <>
      <div className="tools quality-tools">
        <Choice
          label="Since when"
          options={PERIODS}
          value={period}
          onChange={(hours) => look({ hours: hours === "48" ? undefined : hours })}
        />
        <Chosen counts={answer.data ?? []} search={search} look={look} />
      </div>
      <Answered answer={answer} lines={8}>
        {(counts) => <Counts counts={counts} hours={Number(period)} search={search} look={look} />}
      </Answered>
      <Examples search={search} look={look} />
      {search.rejection !== undefined && (
        <RejectionDialog id={search.rejection} onClose={() => look({ rejection: undefined })} />
      )}
    </>
  )
}

/** What the page is narrowed to, each with a way back. */
function Chosen({ counts, search, look }: Looking & { counts: HourCount[] }) {
  const name = counts.find(({ keyId }) => String(keyId) === search.key)?.key
  return (
    <>
      {search.code && <Narrowed to={search.code} all="show all codes" onClick={() => look({ code: undefined })} />}
      {search.key && (
        <Narrowed to={`Key ${name ?? search.key}`} all="show all keys" onClick={() => look({ key: undefined })} />
      )}
    </>
  )
}

function Counts(props: Looking & { counts: HourCount[]; hours: number }) {
  const { search, look, hours } = props
  const now = useNow(60_000)
  const zone = useZone()
  const ofKey = props.counts.filter(({ keyId }) => search.key === undefined || String(keyId) === search.key)
  const shown = ofKey.filter(({ code }) => search.code === undefined || code === search.code)
  if (shown.length === 0) {
    return (
      <Empty title="Nothing was refused">
        <p>
          {search.code || search.key
            ? "In this period, no message that this page is narrowed to."
            : "All messages of this period were accepted."}
        </p>
      </Empty>
    )
  }
  const hourly = hours <= 48
  return (
    <Panel
      title={search.code ? `Refused with ${search.code}` : "Refused"}
      aside={<span className="mute">{inAll(shown)}</span>}
    >
      <Bars
        bars={overTime(shown, hours, now, zone)}
        label="Refused messages"
        each={hourly ? "an hour" : "a day"}
        when={(at) => (hourly ? clock(at, zone).slice(0, 5) : at)}
      />
      <Table
        heads={["Code", "From keys", "Messages", "Repeats", "Last"]}
        wide={[1, 3]}
        ends={[2, 3, 4]}
        rows={byCode(shown).map(({ code, keys, messages, repeats, lastHour }) => [
          <button key="code" type="button" className="row-link" onClick={() => look({ code })}>
            <Breaking text={code} />
          </button>,
          <span key="keys">
            {keys.slice(0, 3).map(({ id, name, n }, index) => (
              <span key={id}>
                {index > 0 && ", "}
                {id === null ? (
                  <span className="mute">no key</span>
                ) : (
                  <button type="button" className="key-link" onClick={() => look({ key: String(id) })}>
                    {name || `key ${id}`}
                  </button>
                )}{" "}
                {keys.length > 1 && (
                  <small className="mute">
                    <Count n={n} />
                  </small>
                )}
              </span>
            ))}
            {keys.length > 3 && ` and ${keys.length - 3} more`}
          </span>,
          <Count key="messages" n={messages} />,
          <Count key="repeats" n={repeats} />,
          now - Date.parse(lastHour) < HOUR_MS ? "this hour" : <When key="last" at={lastHour} />,
        ])}
      />
    </Panel>
  )
}

/** A code, which a narrow column breaks between its words. */
function Breaking({ text }: { text: string }) {
  return text.split("_").map((word, index) => (
    <Fragment key={word}>
      {index > 0 && "_"}
      {index > 0 && <wbr />}
      {word}
    </Fragment>
  ))
}

function Examples({ search, look }: Looking) {
  const may = useMay("admin")
  const answer = useRejections(search.code, search.key, may)
  const found = answer.data?.pages.flatMap(({ rejections }) => rejections)
  if (found?.length === 0) return null
  return (
    <Panel title="Examples" aside={<span className="mute">newest first, of 30 days</span>}>
      <Answered answer={{ ...answer, data: found }} lines={8}>
        {(rejections) => (
          <>
            <Table
              heads={["What is wrong", "Key", "Times", "Received"]}
              wide={[1, 2]}
              ends={[2, 3]}
              rows={rejections.map((one) => [
                <div key="what">
                  <button type="button" className="row-link" onClick={() => look({ rejection: one.id })}>
                    {one.message}
                  </button>
                  <p className="mute">
                    <code>{one.code}</code> at <code>{one.path}</code>
                  </p>
                </div>,
                one.key ?? <span className="mute">—</span>,
                <Count key="times" n={one.times} />,
                <When key="received" at={one.lastReceivedAt} />,
              ])}
            />
            <Older of={answer} title="Show more" />
          </>
        )}
      </Answered>
    </Panel>
  )
}

function RejectionDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const answer = useRejection(id)
  const title = answer.data?.code ?? "Rejection"
  return (
    <Dialog title={title} lead={answer.data?.message} onClose={onClose} wide>
      <Answered answer={answer} lines={8}>
        {(rejection) => (
          <>
            <Facts of={rejection} />
            <Payload of={rejection.payload} path={rejection.path} />
          </>
        )}
      </Answered>
    </Dialog>
  )
}

function Facts({ of }: { of: LoggedRejection }) {
  const event = eventOf(of.payload)
  return (
    <dl className="pairs key-facts">
      <div>
        <dt>Place</dt>
        <dd>
          <code>{of.path}</code> <span className="mute">in the request</span>
        </dd>
      </div>
      <div>
        <dt>Key</dt>
        <dd>{of.key ?? "—"}</dd>
      </div>
      {event && (
        <div>
          <dt>Event</dt>
          <dd>
            <Link to="/registry/$name" params={{ name: event }}>
              {event}
            </Link>
          </dd>
        </div>
      )}
      <div>
        <dt>Received</dt>
        <dd>
          <When at={of.receivedAt} />
          {of.times > 1 && (
            <>
              ; {plural(of.times, "time")}, last <When at={of.lastReceivedAt} />
            </>
          )}
        </dd>
      </div>
    </dl>
  )
}

/** The name of the event, if the message can be read and has one. */
function eventOf(payload: string): string {
  try {
    const { event } = JSON.parse(payload) as { event?: unknown }
    return typeof event === "string" ? event : ""
  } catch {
    return ""
  }
}
