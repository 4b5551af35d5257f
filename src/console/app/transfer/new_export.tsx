/** A new export: what, in which format, once or again and again. It also changes a schedule. */
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import type { ExportBody, Names, Schedule, ScheduleDocument, Segments, Traits } from "../lib/api.ts"
import { address, ask, problemAt, problemElsewhere } from "../lib/client.ts"
import { useMay } from "../lib/me.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Choice, Labelled, Tick } from "../ui/fields.tsx"
import { Failed } from "../ui/parts.tsx"
import { Picker } from "../ui/picker.tsx"
import { useSaveSchedule, useStartExport } from "./export_queries.ts"

const WHAT = [
  { value: "segment", title: "A segment" },
  { value: "profiles", title: "All profiles" },
  { value: "events", title: "Events" },
] as const
const FORMATS = [
  { value: "csv", title: "CSV" },
  { value: "xlsx", title: "Excel" },
  { value: "parquet", title: "Parquet" },
  { value: "jsonl", title: "JSON lines" },
  { value: "json", title: "JSON" },
] as const
const SPANS = [
  { value: "", title: "Since the beginning" },
  { value: "24h", title: "The last 24 hours" },
  { value: "7d", title: "The last 7 days" },
  { value: "30d", title: "The last 30 days" },
  { value: "90d", title: "The last 90 days" },
]
const TIMES = [
  { value: "0 6 * * *", title: "Every day at 6:00" },
  { value: "0 6 * * 1", title: "Every Monday at 6:00" },
  { value: "0 6 1 * *", title: "On the first of each month at 6:00" },
  { value: "0 * * * *", title: "Every hour" },
]
const SHOWN = ["$.segment", "$.columns", "$.traits", "$.events", "$.last", "$.cron", "$.key", "$.name"]

type Wanted = Pick<ExportBody, "what"> & {
  segment: string
  columns: string
  traits: string
  events: string
  last: string
  format: NonNullable<ExportBody["format"]>
}

interface Repeated {
  key: string
  cron: string
  paused: boolean
}

export function NewExport(props: {
  /** The one that is changed; undefined for a new export. */
  schedule: Schedule | undefined
  onClose: () => void
  onStarted: () => void
}) {
  const { schedule } = props
  const isAdmin = useMay("admin")
  const [wanted, setWanted] = useState(() => wantedOf(schedule?.document))
  const [repeated, setRepeated] = useState<Repeated | undefined>(() => schedule && repeatedOf(schedule))
  const start = useStartExport()
  const save = useSaveSchedule()
  const problem = start.error ?? save.error
  const change = (part: Partial<Wanted>) => {
    setWanted({ ...wanted, ...part })
    start.reset()
    save.reset()
  }
  const at = (path: string) => problemAt(problem, path) || undefined

  function submit(): void {
    const body = bodyOf(wanted)
    if (!repeated) start.mutate(body, { onSuccess: props.onStarted })
    else {
      const { key, ...when } = repeated
      const { name, description, raw } = schedule?.document ?? {}
      const document = { ...body, ...when, name, description, raw: body.format === "csv" ? raw : undefined }
      save.mutate({ key, version: schedule?.version ?? 0, document }, { onSuccess: props.onClose })
    }
  }

  return (
    <Dialog title={schedule ? `Schedule ${schedule.key}` : "New export"} onClose={props.onClose} keep>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          submit()
        }}
      >
        <Choice label="What" options={WHAT} value={wanted.what} onChange={(what) => change({ what })} />
        {wanted.what === "segment" && <Segment wanted={wanted} change={change} problem={at("$.segment")} />}
        {wanted.what === "events" ? (
          <Events wanted={wanted} change={change} at={at} />
        ) : (
          <TraitNames wanted={wanted} change={change} problem={at("$.traits")} />
        )}
        <Labelled label="Properties" hint="Names, separated by commas; empty for all." problem={at("$.columns")}>
          {(names) => (
            <input
              className="field"
              {...names}
              value={wanted.columns}
              spellCheck={false}
              onChange={(event) => change({ columns: event.target.value })}
            />
          )}
        </Labelled>
        <Choice label="Format" options={FORMATS} value={wanted.format} onChange={(format) => change({ format })} />
        {isAdmin && !schedule && (
          <Tick
            label="Repeat it"
            hint="As a schedule: the worker writes a new file each time."
            checked={repeated !== undefined}
            onChange={(on) => {
              setRepeated(on ? { key: "", cron: "0 6 * * 1", paused: false } : undefined)
              start.reset()
              save.reset()
            }}
          />
        )}
        {repeated && (
          <Times
            repeated={repeated}
            isNew={!schedule}
            change={(part) => {
              setRepeated({ ...repeated, ...part })
              save.reset()
            }}
            at={at}
          />
        )}
        <Failed problem={problemElsewhere(problem, SHOWN)} />
        <div className="dialog-foot">
          <button type="submit" className="button primary" disabled={start.isPending || save.isPending}>
            {repeated ? "Save the schedule" : "Start the export"}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

type Change = (part: Partial<Wanted>) => void

function Segment({ wanted, change, problem }: { wanted: Wanted; change: Change; problem?: string }) {
  const answer = useQuery({
    queryKey: ["admin", "segments"],
    queryFn: ({ signal }) => ask<Segments>(address(["admin", "segments"]), { signal }),
  })
  return (
    <Labelled label="Segment" problem={problem}>
      {(names) => (
        <Picker
          {...names}
          value={wanted.segment}
          placeholder="Choose one"
          options={(answer.data?.segments ?? []).map(({ key }) => ({ value: key }))}
          onChange={(segment) => change({ segment })}
        />
      )}
    </Labelled>
  )
}

function TraitNames({ wanted, change, problem }: { wanted: Wanted; change: Change; problem?: string }) {
  const answer = useQuery({
    queryKey: ["admin", "traits"],
    queryFn: ({ signal }) => ask<Traits>(address(["admin", "traits"]), { signal }),
  })
  const known = (answer.data?.traits ?? []).map(({ key }) => key)
  const hint = known.length
    ? `Names, separated by commas: ${known.slice(0, 4).join(", ")}${known.length > 4 ? " …" : ""}`
    : "No traits are defined."
  return (
    <Labelled label="Traits" hint={hint} problem={problem}>
      {(names) => (
        <input
          className="field"
          {...names}
          value={wanted.traits}
          spellCheck={false}
          onChange={(event) => change({ traits: event.target.value })}
        />
      )}
    </Labelled>
  )
}

function Events(props: { wanted: Wanted; change: Change; at: (path: string) => string | undefined }) {
  const { wanted, change } = props
  const answer = useQuery({
    queryKey: ["registry", "names"],
    queryFn: ({ signal }) => ask<Names>(address(["registry", "names"]), { signal }),
  })
  const known = Object.keys(answer.data?.events ?? {})
  return (
    <>
      <Labelled
        label="Events"
        hint={`Names, separated by commas; empty for all${known.length ? `: ${known.slice(0, 4).join(", ")} …` : "."}`}
        problem={props.at("$.events")}
      >
        {(names) => (
          <input
            className="field"
            {...names}
            value={wanted.events}
            spellCheck={false}
            onChange={(event) => change({ events: event.target.value })}
          />
        )}
      </Labelled>
      <Labelled label="Range" problem={props.at("$.last")}>
        {(names) => (
          <Picker
            {...names}
            value={wanted.last}
            placeholder="Since the beginning"
            options={SPANS}
            own={(text) => `The last ${text}`}
            onChange={(last) => change({ last })}
          />
        )}
      </Labelled>
    </>
  )
}

function Times(props: {
  repeated: Repeated
  isNew: boolean
  change: (part: Partial<Repeated>) => void
  at: (path: string) => string | undefined
}) {
  const { repeated, change } = props
  return (
    <>
      {props.isNew && (
        <Labelled label="Key" hint="As it is called in files." problem={props.at("$.key")}>
          {(names) => (
            <input
              className="field"
              {...names}
              required
              value={repeated.key}
              spellCheck={false}
              autoComplete="off"
              onChange={(event) => change({ key: event.target.value })}
            />
          )}
        </Labelled>
      )}
      <Labelled
        label="When"
        hint={`Minute, hour, day of month, month, day of week: ${repeated.cron}, in the environment's zone.`}
        problem={props.at("$.cron")}
      >
        {(names) => (
          <Picker
            {...names}
            value={repeated.cron}
            options={TIMES}
            own={(text) => `At ${text}`}
            onChange={(cron) => change({ cron })}
          />
        )}
      </Labelled>
      <Tick
        label="Paused"
        hint="What is due meanwhile is left out."
        checked={repeated.paused}
        onChange={(paused) => change({ paused })}
      />
    </>
  )
}

function wantedOf(request: ScheduleDocument | undefined): Wanted {
  return {
    what: request?.what ?? "segment",
    segment: request?.segment ?? "",
    columns: request?.columns?.join(", ") ?? "",
    traits: request?.traits?.join(", ") ?? "",
    events: request?.events?.join(", ") ?? "",
    last: request?.last ?? "",
    format: request?.format ?? "csv",
  }
}

function repeatedOf(schedule: Schedule): Repeated {
  const { cron, paused } = schedule.document
  return { key: schedule.key, cron, paused: paused ?? false }
}

/** The request of what was chosen; what does not belong to it is left out. */
export function bodyOf(wanted: Wanted): ExportBody {
  const isEvents = wanted.what === "events"
  return {
    what: wanted.what,
    format: wanted.format,
    columns: wanted.columns.trim() ? split(wanted.columns) : null,
    ...(wanted.what === "segment" && { segment: wanted.segment }),
    ...(isEvents
      ? { events: split(wanted.events), ...(wanted.last && { last: wanted.last }) }
      : { traits: split(wanted.traits) }),
  }
}

function split(text: string): string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean)
}
