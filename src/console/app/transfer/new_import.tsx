/** A new import: a file, what its columns are, what that would do, and then it runs. */
import { useState } from "react"
import type { InspectedFile, InspectedRow } from "../lib/api.ts"
import { plural, value } from "../lib/format.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Labelled, Tick } from "../ui/fields.tsx"
import { Answered, Badge, Failed } from "../ui/parts.tsx"
import { asText, fixed, mapped, PROPERTY } from "./mapping.ts"
import { type Mapping, type Source, useImportFiles, useInspection, useStartImport } from "./queries.ts"

const FORMATS = ".jsonl,.ndjson,.json,.csv,.parquet,.gz"

export function NewImport(props: { from?: Source; onClose: () => void; onStarted: (id: string) => void }) {
  const [source, setSource] = useState<Source | undefined>(props.from)
  return (
    <Dialog
      title="New import"
      lead="Nothing is stored before you press Import. Rows that were imported before are not counted twice."
      onClose={props.onClose}
      wide
      keep
    >
      <div className="form">
        <Choose source={source} onChoose={setSource} />
        {source && <Inspected key={nameOf(source)} source={source} onStarted={props.onStarted} />}
      </div>
    </Dialog>
  )
}

function nameOf(source: Source): string {
  return "stored" in source ? `stored ${source.name}` : `${source.name} ${source.file.size} ${source.file.lastModified}`
}

function Choose({ source, onChoose }: { source: Source | undefined; onChoose: (source: Source | undefined) => void }) {
  const files = useImportFiles()
  const stored = files.data?.files.filter(({ form }) => form !== null) ?? []
  return (
    <div className="form-row">
      <Labelled label="File" hint="JSON lines, CSV or Parquet; also with gzip. Up to 8 GiB.">
        {(names) => (
          <input
            {...names}
            type="file"
            className="field file"
            accept={FORMATS}
            onChange={(event) => {
              const file = event.target.files?.[0]
              onChoose(file && { name: file.name, file })
            }}
          />
        )}
      </Labelled>
      <Labelled
        label="Or a file on the server"
        hint={files.data && <>Files in {files.data.folder}</>}
        problem={files.error?.message}
      >
        {(names) => (
          <select
            {...names}
            className="field"
            value={source && "stored" in source ? source.name : ""}
            disabled={stored.length === 0}
            onChange={(event) => onChoose(event.target.value ? { name: event.target.value, stored: true } : undefined)}
          >
            <option value="">{stored.length === 0 ? "None is there" : "Choose one"}</option>
            {stored.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
      </Labelled>
    </div>
  )
}

function Inspected({ source, onStarted }: { source: Source; onStarted: (id: string) => void }) {
  const [mapping, setMapping] = useState<Mapping>()
  const answer = useInspection(source, mapping)
  const start = useStartImport()
  const found = answer.data
  const none = found !== undefined && (found.problem !== null || found.read === found.rejected)
  return (
    <>
      <Answered answer={answer} lines={8}>
        {(file) => (
          <>
            {file.columns.length > 0 && <Columns file={file} mapping={mapping ?? file.mapping} onChange={setMapping} />}
            {file.problem && (
              <div className="notice bad" role="alert">
                {file.problem}
              </div>
            )}
            <DryRun file={file} />
          </>
        )}
      </Answered>
      <Failed problem={start.error} />
      <div className="dialog-foot">
        <span className="mute" role="status">
          {start.isPending && "file" in source && "Sending the file. Leave this page open until it is sent."}
        </span>
        <button
          type="button"
          className="button primary"
          disabled={!found || none || answer.isError || answer.isPlaceholderData || start.isPending}
          onClick={() =>
            start.mutate(
              { source, mapping: found?.columns.length ? (mapping ?? found.mapping) : undefined },
              { onSuccess: ({ id }) => onStarted(id) },
            )
          }
        >
          {start.isPending ? "Importing…" : "Import"}
        </button>
      </div>
    </>
  )
}

/** What each column becomes, which can be changed. */
function Columns(props: {
  file: InspectedFile
  mapping: NonNullable<Mapping>
  onChange: (mapping: NonNullable<Mapping>) => void
}) {
  const { file, mapping, onChange } = props
  const event = file.columns.some(({ field }) => field === "event")
  return (
    <section aria-label="Columns">
      <h3>Columns</h3>
      <div className="table-frame">
        <table className="import-columns">
          <thead>
            <tr>
              <th scope="col">Column</th>
              <th scope="col" className="wide-only">
                First value
              </th>
              <th scope="col">Becomes</th>
              <th scope="col">As text</th>
            </tr>
          </thead>
          <tbody>
            {file.columns.map(({ name, field }) => (
              <tr key={name}>
                <td>
                  <code>{name}</code>
                </td>
                <td className="wide-only mute">{firstOf(file.rows, name)}</td>
                <td>
                  <select
                    className="field"
                    aria-label={`${name} becomes`}
                    value={field && file.fields.includes(field) ? field : PROPERTY}
                    onChange={(chosen) => onChange(mapped(mapping, name, chosen.target.value, field))}
                  >
                    <option value={PROPERTY}>a property</option>
                    {file.fields.map((one) => (
                      <option key={one}>{one}</option>
                    ))}
                  </select>
                </td>
                <td>
                  <input
                    type="checkbox"
                    aria-label={`Numbers of ${name} stay texts`}
                    checked={mapping.text.includes(name)}
                    onChange={(ticked) => onChange(asText(mapping, name, ticked.target.checked))}
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {!event && <EventOfAll key="event" mapping={mapping} onChange={onChange} />}
    </section>
  )
}

/** A table without a column of event names: its rows are people, or all are one event. */
function EventOfAll(props: { mapping: NonNullable<Mapping>; onChange: (mapping: NonNullable<Mapping>) => void }) {
  const kept = props.mapping.fixed.event ?? ""
  const [asked, setAsked] = useState(kept !== "")
  const [typed, setTyped] = useState(kept)
  const change = (name: string) => props.onChange(fixed(props.mapping, "event", name.trim()))
  return (
    <>
      <Tick
        label="Each row is an event"
        hint="Otherwise each row describes a person, and its columns become their properties."
        checked={asked}
        onChange={(checked) => {
          setAsked(checked)
          if (!checked && kept) change("")
        }}
      />
      {asked && (
        <Labelled label="Name of the event">
          {(names) => (
            <input
              {...names}
              className="field mono"
              value={typed}
              placeholder="purchase"
              onChange={(event) => setTyped(event.target.value)}
              onBlur={() => typed.trim() !== kept && change(typed)}
              onKeyDown={(event) => event.key === "Enter" && change(typed)}
            />
          )}
        </Labelled>
      )}
    </>
  )
}

function firstOf(rows: InspectedRow[], column: string): string {
  return rows.map(({ cells }) => cells?.[column]).find((cell) => cell) ?? "—"
}

/** What the first rows would become. */
function DryRun({ file }: { file: InspectedFile }) {
  const rows = [...file.rows, ...file.rejectedRows]
  const looked = file.complete ? `All ${plural(file.read, "row")}` : `The first ${plural(file.read, "row")}`
  return (
    <section aria-label="Dry run">
      <h3>Dry run</h3>
      <p role="status">
        {looked}: {plural(file.read - file.rejected, "message")} to store,{" "}
        <b className={file.rejected ? "bad" : undefined}>{plural(file.rejected, "row")} rejected</b>. Policies and the
        tracking plan are applied by the import itself.
      </p>
      {rows.length > 0 && (
        <div className="table-frame dry-run">
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
          <table tabIndex={0}>
            <thead>
              <tr>
                <th scope="col">Line</th>
                <th scope="col">Becomes</th>
                <th scope="col" className="wide-only">
                  With
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.line}>
                  <td>{row.line}</td>
                  {row.message ? <Stored message={row.message} /> : <Refused row={row} />}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  )
}

function Stored({ message }: { message: Record<string, unknown> }) {
  const who = ["userId", "externalId", "anonymousId", "deviceId"].map((kind) => message[kind]).find(Boolean)
  return (
    <>
      <td>
        <b>{value(message.event ?? message.type)}</b> of {value(who)}
        <p className="mute">{value(message.timestamp)}</p>
      </td>
      <td className="wide-only">
        <code>{JSON.stringify(message.properties ?? message.traits ?? {})}</code>
      </td>
    </>
  )
}

function Refused({ row }: { row: InspectedRow }) {
  return (
    <td colSpan={2}>
      <Badge tone="bad">rejected</Badge> {row.why} <code>{row.code}</code>
      {row.text && <p className="mute">{row.text.slice(0, 200)}</p>}
    </td>
  )
}
