/** What the server writes as files: jobs and schedules, and people, exposures and events that are streamed at once. */
import { keepPreviousData, useQuery } from "@tanstack/react-query"
import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import { Plus } from "lucide-react"
import "./transfer.css"
import type { AvailableExports, EventCount, Flags, Names } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { plural } from "../lib/format.ts"
import { Choice } from "../ui/fields.tsx"
import { Answered, Count, Empty, Failed, Page, Panel, When } from "../ui/parts.tsx"
import { Picker } from "../ui/picker.tsx"
import { type FileOf, Formats, useFile } from "./download.tsx"
import { useSchedules } from "./export_queries.ts"
import { Jobs } from "./jobs.tsx"
import { NewExport } from "./new_export.tsx"
import { ScheduleList } from "./schedules.tsx"

const RANGES = [
  { value: "7d", title: "7 days" },
  { value: "30d", title: "30 days" },
  { value: "90d", title: "90 days" },
] as const
type Range = (typeof RANGES)[number]["value"]

interface Look {
  q?: string
  event?: string
  last?: string
  before?: string
  new?: string
  schedule?: string
}

export function ExportsPage() {
  const search: Look = useSearch({ strict: false })
  const schedules = useSchedules()
  const before = Number(search.before) || undefined
  const navigate = useNavigate()
  const file = useFile()
  const changed = schedules.data?.find(({ key }) => key === search.schedule)
  const look = (change: Look) => navigate({ to: "/exports", search: { ...search, ...change }, replace: true })
  return (
    <Page
      title="Exports"
      lead="Files of what is stored, whole and as of one instant."
      aside={
        <div className="tools">
          <input
            type="search"
            className="field filter"
            aria-label="Filter segments and flags"
            placeholder="Segment or flag   /"
            value={search.q ?? ""}
            onChange={(event) => look({ q: event.target.value || undefined })}
          />
          <button type="button" className="button primary" onClick={() => look({ new: "yes" })}>
            <Plus aria-hidden="true" /> New export
          </button>
        </div>
      }
    >
      <Failed problem={file.error} />
      <Jobs
        file={file}
        before={before}
        look={(next) => look({ before: next === undefined ? undefined : String(next) })}
      />
      <ScheduleList answer={schedules} onChange={(key) => look({ schedule: key })} />
      <Segments q={search.q ?? ""} file={file} />
      <Events search={search} look={look} file={file} />
      <Exposures q={search.q ?? ""} file={file} />
      {(search.new !== undefined || changed) && (
        <NewExport
          key={changed?.key ?? ""}
          schedule={changed}
          onClose={() => look({ new: undefined, schedule: undefined })}
          onStarted={() => look({ new: undefined, before: undefined })}
        />
      )}
    </Page>
  )
}

function has(key: string, q: string): boolean {
  return key.toLowerCase().includes(q.trim().toLowerCase())
}

function Segments({ q, file }: { q: string; file: FileOf }) {
  const answer = useQuery({
    queryKey: ["export", "list"],
    queryFn: ({ signal }) => ask<AvailableExports>(address(["export", "list"]), { signal }),
  })
  return (
    <Panel title="Segments">
      <p className="mute about">At once: a row for each person, with identifiers and properties.</p>
      <Answered answer={answer} lines={6}>
        {({ exports }) => {
          const shown = exports
            .map((one) => ({ key: one.filename.replace(/\.csv$/, ""), people: one.userCount, asOf: one.asOf }))
            .filter(({ key }) => has(key, q))
          if (shown.length === 0) {
            return (
              <Empty title={exports.length ? `No segment has “${q}”` : "There is no segment yet"}>
                {exports.length === 0 && (
                  <p>
                    <Link to="/segments/new">Make one</Link>, and its people can be exported.
                  </p>
                )}
              </Empty>
            )
          }
          return (
            <div className="table-frame">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Segment</th>
                    <th scope="col" className="end">
                      People
                    </th>
                    <th scope="col" className="wide-only end">
                      As of
                    </th>
                    <th scope="col" className="end">
                      File
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {shown.map(({ key, people, asOf }) => (
                    <tr key={key}>
                      <td>
                        <Link className="row-link" to="/segments/$name" params={{ name: key }}>
                          {key}
                        </Link>
                      </td>
                      <td className="end">
                        <Count n={people} />
                      </td>
                      <td className="wide-only end">
                        <When at={asOf} />
                      </td>
                      <td className="end">
                        <Formats
                          of={key}
                          file={file}
                          formats={[
                            { title: "CSV", path: address(["export", "segment", `${key}.csv`]) },
                            { title: "JSON lines", path: address(["export", "segment", `${key}.jsonl`]) },
                          ]}
                        />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }}
      </Answered>
    </Panel>
  )
}

function Events({ search, look, file }: { search: Look; look: (change: Look) => void; file: FileOf }) {
  const last: Range = RANGES.find(({ value }) => value === search.last)?.value ?? "7d"
  const event = search.event ?? ""
  const names = useQuery({
    queryKey: ["registry", "names"],
    queryFn: ({ signal }) => ask<Names>(address(["registry", "names"]), { signal }),
  })
  const size = useQuery({
    queryKey: ["events", "count", event, last],
    queryFn: ({ signal }) =>
      ask<EventCount>(address(["events", "count"], { event: event || undefined, last }), { signal }),
    placeholderData: keepPreviousData,
    retry: false,
  })
  const path = (form: string) => address(["analytics", `events.${form}`], { event: event || undefined, last })
  return (
    <Panel title="Events">
      <p className="mute about">A row for each event, with its properties, in the order of time.</p>
      <div className="tools">
        <Picker
          label="Event"
          value={event}
          placeholder="All events"
          options={[
            { value: "", title: "All events" },
            ...Object.keys(names.data?.events ?? {}).map((value) => ({ value })),
          ]}
          onChange={(chosen) => look({ event: chosen || undefined })}
        />
        <Choice
          label="Range"
          options={RANGES}
          value={last}
          onChange={(chosen) => look({ last: chosen === "7d" ? undefined : chosen })}
        />
        <Formats
          of="Events"
          file={file}
          disabled={size.isError}
          formats={[
            { title: "CSV", path: path("csv") },
            { title: "JSON lines", path: path("jsonl") },
            { title: "Parquet", path: path("parquet") },
          ]}
        />
        <span className="mute" role="status" data-stale={size.isPlaceholderData || undefined}>
          {size.data && plural(size.data.count, "event")}
        </span>
      </div>
      <Failed problem={size.error} retry={() => size.refetch()} />
    </Panel>
  )
}

function Exposures({ q, file }: { q: string; file: FileOf }) {
  const answer = useQuery({
    queryKey: ["admin", "flags"],
    queryFn: ({ signal }) => ask<Flags>(address(["admin", "flags"]), { signal }),
  })
  return (
    <Panel title="Exposures">
      <p className="mute about">Who got which variant of a flag, once a day each, newest day first.</p>
      <Answered answer={answer} lines={4}>
        {({ flags }) => {
          const shown = flags.filter(({ key }) => has(key, q))
          if (shown.length === 0) {
            return <Empty title={flags.length ? `No flag has “${q}”` : "There is no flag yet"} />
          }
          return (
            <div className="table-frame">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Flag</th>
                    <th scope="col" className="end">
                      File
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {shown.map(({ key }) => (
                    <tr key={key}>
                      <td>
                        <Link
                          className="row-link"
                          to="/flags/$name"
                          params={{ name: key }}
                          search={{ tab: "exposures" }}
                        >
                          {key}
                        </Link>
                      </td>
                      <td className="end">
                        <Formats
                          of={key}
                          file={file}
                          formats={[
                            { title: "CSV", path: address(["export", "exposures", `${key}.csv`]) },
                            { title: "JSON lines", path: address(["export", "exposures", `${key}.jsonl`]) },
                          ]}
                        />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }}
      </Answered>
    </Panel>
  )
}
