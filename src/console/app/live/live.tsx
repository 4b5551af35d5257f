import { useQuery } from "@tanstack/react-query"
import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import { Pause, Play, X } from "lucide-react"
import { memo, useEffect, useId, useRef, useState } from "react"
import { flushSync } from "react-dom"
import { useDefinitions } from "../definitions/queries.ts"
import type { Events, Rejections } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { clock, count, moment, plural, whole } from "../lib/format.ts"
import { useMay, useZone } from "../lib/me.ts"
import { type Message, ofMessagesAlone, type ShownTransition } from "../lib/message.ts"
import { useRested } from "../lib/rested.ts"
import type { Connection, Missed, Sample } from "../lib/stream.ts"
import { nameOf } from "../people/names.ts"
import { usePerson } from "../people/queries.ts"
import { usePage } from "../shell/pages.ts"
import { Answered, Badge, Empty, Failed, Page, Panel, useNow, When } from "../ui/parts.tsx"
import { type Entry, isTransition } from "./feed.ts"
import { Inspector, Moved } from "./inspector.tsx"
import "./live.css"
import { causeOf, detailsOf, movedTitle, titleOf, whoOf } from "./message.ts"
import { useFeed } from "./use_feed.ts"

const KINDS = ["track", "page", "screen", "identify", "group", "alias"]
const STATUSES = ["accepted", "warned", "rejected"]
/** A sample is spoken of until it is over for this long. */
const SAMPLE_MS = 5_000
/** There the message takes the place of the list: live.css. */
const NARROW = "(max-width: 1000px)"
const REFUSALS = 12
const REFUSALS_EVERY_MS = 10_000

const STATES: Record<Connection, string> = {
  connecting: "Connecting…",
  live: "Live",
  polling:
    "All places for streams are taken. What is stored is read every five seconds; what is rejected is not listed, nor who enters or leaves a segment by the clock, an edit or a merge.",
  asleep: "Asleep, since this tab was hidden",
  away: "The server does not answer. It is tried again.",
  full: "All places for streams are taken. It is tried again every minute.",
  refused: "The server refuses these filters.",
}

const LISTED: Record<Missed["listed"], string> = {
  all: "What was stored meanwhile is listed, without what it changed.",
  newest: "The newest 200 messages of it are listed, older ones are not.",
  none: "What was stored meanwhile is not listed: with these filters it cannot be read again.",
}

export function LivePage() {
  const { event = "", user = "", kind, status, segment, profileId } = useSearch({ strict: false })
  const wanted = {
    event: useRested(event.trim()) || undefined,
    user: useRested(user.trim()) || undefined,
    kind,
    status,
    segment,
    profileId,
  }
  const { feed, step, connection, sample, missed, refused } = useFeed(wanted)
  const [chosen, choose] = useState<Entry>()
  const filtered = Object.values(wanted).some(Boolean)
  const rows = useRef<HTMLOListElement>(null)
  const now = useNow(60_000)
  // What is pointed at does not move away; when the pointer leaves, the list goes on.
  const [pointed, setPointed] = useState(false)

  function point(): void {
    if (feed.held) return
    setPointed(true)
    step("hold")
  }

  function leave(): void {
    if (pointed && !chosen && !rows.current?.contains(document.activeElement)) step("go on")
    setPointed(false)
  }

  function toggle(): void {
    setPointed(false)
    step(feed.held ? "go on" : "hold")
  }

  function close(): void {
    const row = rows.current?.querySelector<HTMLElement>("[aria-pressed=true]")
    // The list may have been out of sight.
    flushSync(() => choose(undefined))
    row?.focus()
  }

  return (
    <Page
      title="Live"
      lead="Messages as they arrive, what they change, and who enters or leaves a segment without one."
      aside={
        <div className="live-state">
          <p role="status" className="connection" data-connection={feed.held ? "held" : connection}>
            {feed.held ? "Paused" : STATES[connection]}
          </p>
          <button type="button" className="button" onClick={toggle}>
            {feed.held ? <Play aria-hidden="true" /> : <Pause aria-hidden="true" />}
            {feed.held ? "Resume" : "Pause"}
          </button>
        </div>
      }
    >
      <Filters />
      {ofMessagesAlone(wanted) && (segment || profileId) && (
        <p className="mute small live-alone">
          Only messages have an event, an identifier, a kind and a state: with these filters, who enters or leaves a
          segment by the clock, an edit or a merge is not listed.
        </p>
      )}
      <Failed problem={refused ?? null} />
      <Notices missed={missed} moves={!ofMessagesAlone(wanted)} sample={sample} lost={feed.lost} />
      <div className="live" data-chosen={chosen ? "" : undefined}>
        <div className="live-list">
          <p className="waiting-row">
            {feed.waiting.length > 0 && (
              <button type="button" className="button small" onClick={() => step("show")}>
                {count(feed.waiting.length)} new
              </button>
            )}
          </p>
          {feed.shown.length === 0 && connection !== "connecting" && connection !== "refused" && (
            <Empty
              title={
                segment ? "Nothing since you look" : filtered ? "None of the last messages matches" : "No message yet"
              }
              command={
                filtered
                  ? undefined
                  : `curl '${location.origin}/v1/track' -H "Authorization: Bearer $WRITE_KEY" -H 'Content-Type: application/json' \\\n     -d '{"userId":"ada","event":"app_open"}'`
              }
            >
              <p>{filtered ? "The next one that does is shown here." : "The first one is shown here as it arrives:"}</p>
            </Empty>
          )}
          <ol
            aria-label="Messages"
            ref={rows}
            onPointerEnter={({ pointerType }) => pointerType === "mouse" && point()}
            onPointerLeave={leave}
            onFocus={() => feed.held || step("hold")}
          >
            {feed.shown.map((entry) => (
              <Row key={entry.id} entry={entry} chosen={entry.id === chosen?.id} choose={choose} now={now} />
            ))}
          </ol>
        </div>
        <aside
          className="live-side"
          aria-label={
            !chosen ? "Refused lately" : isTransition(chosen.line) ? "The chosen transition" : "The chosen message"
          }
        >
          {chosen ? <Chosen entry={chosen} close={close} /> : <Refusals />}
        </aside>
      </div>
    </Page>
  )
}

function Filters() {
  const search = useSearch({ strict: false })
  const navigate = useNavigate()
  const names = useId()
  const events = useQuery({
    queryKey: ["registry", "names of events"],
    queryFn: ({ signal }) => ask<Events>(address(["registry", "events"]), { signal }),
    staleTime: 60_000,
  })
  const segments = useDefinitions("segments").data?.map(({ key }) => key) ?? []
  const { segment = "" } = search
  function set(name: "event" | "user" | "kind" | "status" | "segment" | "profileId", text: string): void {
    const { event, user, kind, status, segment, profileId } = search
    const now = { event, user, kind, status, segment, profileId }
    navigate({ to: "/live", search: { ...now, [name]: text || undefined }, replace: true })
  }
  return (
    <search className="live-filters">
      <input
        type="search"
        className="field"
        aria-label="Event"
        placeholder="Event   /"
        list={names}
        value={search.event ?? ""}
        onChange={(change) => set("event", change.target.value)}
      />
      <datalist id={names}>
        {events.data?.events.map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <input
        type="search"
        className="field"
        aria-label="Identifier of a person"
        placeholder="Identifier"
        value={search.user ?? ""}
        onChange={(change) => set("user", change.target.value)}
      />
      <select
        className="field"
        aria-label="Kind"
        value={search.kind ?? ""}
        onChange={(change) => set("kind", change.target.value)}
      >
        <option value="">All kinds</option>
        {KINDS.map((kind) => (
          <option key={kind}>{kind}</option>
        ))}
      </select>
      <select
        className="field"
        aria-label="Status"
        value={search.status ?? ""}
        onChange={(change) => set("status", change.target.value)}
      >
        <option value="">All states</option>
        {STATUSES.map((status) => (
          <option key={status}>{status}</option>
        ))}
      </select>
      <select
        className="field"
        aria-label="Segment"
        value={segment}
        onChange={(change) => set("segment", change.target.value)}
      >
        <option value="">All segments</option>
        {[...new Set(segment ? [...segments, segment] : segments)].sort().map((key) => (
          <option key={key}>{key}</option>
        ))}
      </select>
      {search.profileId !== undefined && <OnePerson id={search.profileId} onAll={() => set("profileId", "")} />}
    </search>
  )
}

/** That only one person is looked at, and a way back to all. */
function OnePerson({ id, onAll }: { id: string; onAll: () => void }) {
  const person = usePerson(id, "profileId").data
  const name = person ? nameOf(person) : `Person ${id}`
  return (
    <button type="button" className="button" aria-label={`Show all people, not only ${name}`} onClick={onAll}>
      {name} <X aria-hidden="true" />
    </button>
  )
}

function Notices(props: { missed?: Missed; moves: boolean; sample?: Sample; lost: number }) {
  const { missed, moves, sample, lost } = props
  const zone = useZone()
  const [sampled, setSampled] = useState(sample)
  useEffect(() => {
    setSampled(sample)
    const timer = setTimeout(() => setSampled(undefined), SAMPLE_MS)
    return () => clearTimeout(timer)
  }, [sample])
  return (
    <>
      {missed && (
        <p className="notice">
          <span>
            There was no connection from {clock(missed.from, zone)} to {clock(missed.to, zone)}. {LISTED[missed.listed]}{" "}
            What was rejected is not listed
            {moves && ", nor who entered or left a segment by the clock, an edit or a merge"}.
          </span>
        </p>
      )}
      {sampled && (
        <p className="notice">
          More arrives than is shown: {count(sampled.shown)} of {count(sampled.matched)}{" "}
          {sampled.of === "transition" ? "entries and exits" : "messages"}, chosen at random.
        </p>
      )}
      {lost > 0 && <p className="notice warn">The oldest {plural(lost, "line")} of those that wait had no room.</p>}
    </>
  )
}

const Row = memo(function Row(props: { entry: Entry; chosen: boolean; choose: (entry: Entry) => void; now: number }) {
  const { line } = props.entry
  const { now } = props
  const zone = useZone()
  return (
    <li>
      <button
        type="button"
        data-line=""
        className="live-row"
        aria-pressed={props.chosen}
        onClick={() => props.choose(props.entry)}
      >
        <time dateTime={line.at} title={whole(line.at, zone)}>
          {moment(line.at, zone, now)}
        </time>
        {isTransition(line) ? <TransitionCells of={line} /> : <MessageCells of={line} />}
      </button>
    </li>
  )
})

function MessageCells({ of }: { of: Message }) {
  return (
    <>
      <b>{titleOf(of)}</b>
      <span className="who">{whoOf(of)}</span>
      <span className="details">{of.status === "rejected" ? (of.rejection?.message ?? "") : detailsOf(of)}</span>
      <span className="marks">
        {of.changed?.map(({ segment, entered }) => (
          <SegmentMark key={`${segment} ${entered}`} segment={segment} entered={entered} />
        ))}
        {of.status === "warned" && <Badge tone="warn">{plural(of.warnings.length, "warning")}</Badge>}
        {of.status === "rejected" && <Badge tone="bad">rejected</Badge>}
      </span>
    </>
  )
}

function TransitionCells({ of }: { of: ShownTransition }) {
  return (
    <>
      <i>{of.entered ? "Entered" : "Left"} a segment</i>
      <span className="who">{of.name ?? `person ${of.profileId}`}</span>
      <span className="details">{causeOf(of)}</span>
      <span className="marks">
        <SegmentMark segment={of.segment} entered={of.entered} />
      </span>
    </>
  )
}

function SegmentMark({ segment, entered }: { segment: string | null; entered: boolean }) {
  return (
    <Badge tone={entered ? "good" : "quiet"}>
      {entered ? "+" : "−"} {segment}
    </Badge>
  )
}

function Chosen({ entry, close }: { entry: Entry; close: () => void }) {
  const { line } = entry
  const out = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (matchMedia(NARROW).matches) out.current?.focus()
  }, [])
  useEffect(() => {
    function onKey(event: KeyboardEvent): void {
      if (event.key === "Escape" && !event.defaultPrevented) close()
    }
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  })
  return (
    <>
      <header className="live-chosen">
        <h2>{isTransition(line) ? movedTitle(line) : titleOf(line)}</h2>
        <button type="button" ref={out} className="icon-button" aria-label="Close" onClick={close}>
          <X aria-hidden="true" />
        </button>
      </header>
      {isTransition(line) ? <Moved of={line} /> : <Inspector message={line} />}
    </>
  )
}

function Refusals() {
  const may = useMay("admin")
  const quality = usePage("/quality")
  const answer = useQuery({
    queryKey: ["rejections", "newest"],
    queryFn: ({ signal }) => ask<Rejections>(address(["admin", "rejections"], { limit: REFUSALS }), { signal }),
    refetchInterval: REFUSALS_EVERY_MS,
    enabled: may,
  })
  if (!may) return <p className="mute">Choose a message to see all of it.</p>
  return (
    <Panel title="Refused lately" aside={quality && <Link to="/quality">All</Link>}>
      <Answered answer={answer} lines={4}>
        {({ rejections }) =>
          rejections.length === 0 ? (
            <p className="mute">No message was rejected.</p>
          ) : (
            <ul className="refusals">
              {rejections.map(({ id, code, message, times, lastReceivedAt, key }) => (
                <li key={id}>
                  <p>
                    <code>{code}</code> {times > 1 && <Badge>{count(times)} times</Badge>}
                  </p>
                  <p>{message}</p>
                  <p className="mute small">
                    <When at={lastReceivedAt} />
                    {key && ` by ${key}`}
                  </p>
                </li>
              ))}
            </ul>
          )
        }
      </Answered>
    </Panel>
  )
}
