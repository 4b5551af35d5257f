/** Where a sync is written: whose records go where, what is in them, and when removals stop and ask. */
import { useSearch } from "@tanstack/react-router"
import { useMemo } from "react"
import { useDefinitions } from "../../definitions/queries.ts"
import type { Destination, SyncDocument } from "../../lib/api.ts"
import { Labelled, Tick } from "../../ui/fields.tsx"
import { Panel } from "../../ui/parts.tsx"
import { Picker } from "../../ui/picker.tsx"
import { messagesAt } from "../form/check.ts"
import { type Document, withField } from "../form/document.ts"
import { type Edited, EditNew, EditSaved, type FormProps } from "../form/editing.tsx"
import { TypeField } from "../form/fields.tsx"
import type { FieldSpec } from "../form/types.ts"
import { DESTINATION, SYNC } from "../kinds.ts"
import { useAllSaved } from "../queries.ts"
import { addressOf, SYNCED, typeOf } from "../words.ts"
import { CLEAR, isFormed, missing, newSync, PACE, RECORD, REQUESTS } from "./document.ts"
import { PreviewPanel } from "./preview.tsx"
import { LEAVING, leavingOf, MODES, ON_LEAVE } from "./words.ts"

const SHOWN =
  "name description destination segment filter mapping match mode onLeave clear brake requests everySeconds nightly".split(
    " ",
  )
const PER_CENT = 100

const EDITED: Edited = {
  kind: SYNC,
  newDocument: newSync,
  isFormed,
  missing,
  shownBy: () => SHOWN.map((name) => `$.${name}`),
  Form: Fields,
  saved: "It is saved, and its first run sends a record for everybody whom it is about.",
  Below: ({ name, document, ready }) => <PreviewPanel name={name || "new_sync"} document={document} ready={ready} />,
}

export function NewSync() {
  const { destination }: { destination?: string } = useSearch({ strict: false })
  const edited = useMemo(() => ({ ...EDITED, newDocument: () => newSync(destination) }), [destination])
  return <EditNew edited={edited} />
}

export function EditSync({ name }: { name: string }) {
  return <EditSaved edited={EDITED} name={name} />
}

function Fields({ of: document, problems, onChange }: FormProps) {
  const of = document as Document & Partial<SyncDocument>
  const destinations = useAllSaved<Destination>(DESTINATION).data ?? []
  const segments = useDefinitions("segments").data ?? []
  const keep = (name: string, value: unknown) => onChange(withField(document, name, value))
  const receivers = destinations.filter((one) => SYNCED.includes(typeOf(one.document)))
  const chosen = destinations.find(({ key }) => key === of.destination)
  const takesRequests =
    Object.keys(of.requests ?? {}).length > 0 || (chosen !== undefined && typeOf(chosen.document) === "http")
  const mode = of.mode ?? "upsert"
  const leaving = leavingOf(of)
  const field = (spec: FieldSpec) => (
    <TypeField
      key={spec.name}
      spec={spec}
      value={document[spec.name]}
      problems={problems}
      onChange={(value) => keep(spec.name, value)}
    />
  )
  const text = (name: "name" | "description" | "filter", label: string, hint: string, placeholder?: string) => (
    <Labelled label={label} hint={hint} problem={messagesAt(problems, `$.${name}`)}>
      {(names) => (
        <input
          {...names}
          className={name === "filter" ? "field mono" : "field"}
          value={of[name] ?? ""}
          autoComplete="off"
          spellCheck={name !== "filter"}
          placeholder={placeholder}
          onChange={(event) => keep(name, event.target.value || undefined)}
        />
      )}
    </Labelled>
  )
  return (
    <>
      <div className="form-row">
        <Labelled
          label="Destination"
          hint={
            receivers.length === 0
              ? "There is no webhook or HTTP API yet: make one first."
              : "A webhook or an HTTP API."
          }
          problem={messagesAt(problems, "$.destination")}
        >
          {(names) => (
            <Picker
              {...names}
              value={of.destination ?? ""}
              placeholder="Choose one"
              options={receivers.map(({ key, document }) => ({ value: key, hint: addressOf(document) }))}
              onChange={(key) => keep("destination", key)}
            />
          )}
        </Labelled>
        <Labelled
          label="Whose records"
          hint="The members of a segment, or all people."
          problem={messagesAt(problems, "$.segment")}
        >
          {(names) => (
            <Picker
              {...names}
              value={of.segment ?? ""}
              options={[
                { value: "", title: "All people" },
                ...segments.map(({ key, description }) => ({ value: key, hint: description })),
              ]}
              onChange={(key) => keep("segment", key || undefined)}
            />
          )}
        </Labelled>
      </div>
      {text(
        "filter",
        "Only where",
        "A condition on the person. It may read traits, segments and properties.",
        "exists(profile.email)",
      )}
      <div className="type-fields">{RECORD.map(field)}</div>
      <div className="form-row">
        <Labelled label="Mode" hint={`It ${MODES[mode] ?? "is unknown"}.`} problem={messagesAt(problems, "$.mode")}>
          {(names) => (
            <select
              {...names}
              className="field"
              value={mode}
              // What is sent when a person leaves is the mode's own.
              onChange={(event) => {
                const next = withField(withField(document, "onLeave", undefined), "clear", undefined)
                onChange(withField(next, "mode", event.target.value === "upsert" ? undefined : event.target.value))
              }}
            >
              {Object.keys(MODES).map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          )}
        </Labelled>
        <Labelled
          label="When a person leaves"
          hint={LEAVING[leaving] && `Then ${LEAVING[leaving]}.`}
          problem={messagesAt(problems, "$.onLeave")}
        >
          {(names) => (
            <select
              {...names}
              className="field"
              value={leaving}
              onChange={(event) => {
                const { value } = event.target
                const next = value === "clear" ? document : withField(document, "clear", undefined)
                onChange(withField(next, "onLeave", value === ON_LEAVE[mode]?.[0] ? undefined : value))
              }}
            >
              {(ON_LEAVE[mode] ?? []).map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          )}
        </Labelled>
      </div>
      {(leaving === "clear" || (of.clear ?? []).length > 0) && field(CLEAR)}
      {takesRequests && field(REQUESTS)}
      <div className="form-row">
        {text("name", "Name", "What people call it. Empty: its key.")}
        {text("description", "Description", "What it is for.")}
      </div>
      <Panel title="Brake and pace">
        <div className="type-fields">
          <Labelled
            label="Brake, in %"
            hint="A run that would remove more than this share of the records, and at least 10, stops and asks. 100 turns it off."
            // The server speaks of a share, and the field of per cent.
            problem={messagesAt(problems, "$.brake") && "It has to be more than 0 and at most 100."}
          >
            {(names) => (
              <input
                {...names}
                type="number"
                className="field"
                min={0}
                max={PER_CENT}
                step="any"
                value={shareOf(of.brake ?? 0.2)}
                onChange={(event) => {
                  if (event.target.value === "") return
                  const brake = Math.round(Number(event.target.value) * 1_000) / (1_000 * PER_CENT)
                  keep("brake", brake === 0.2 ? undefined : brake)
                }}
              />
            )}
          </Labelled>
          <div className="form-row">{PACE.map(field)}</div>
          <Tick
            label="Paused"
            hint="It does not run while its document says so. What changes meanwhile waits."
            checked={of.paused ?? false}
            onChange={(on) => keep("paused", on || undefined)}
          />
        </div>
      </Panel>
    </>
  )
}

function shareOf(brake: number): number {
  return Math.round(brake * PER_CENT * 1_000) / 1_000
}
