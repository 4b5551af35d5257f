/** Whether a flag serves, how long an answer is kept, and what else its document says, as it is edited. */
import { Trash2 } from "lucide-react"
import { entriesOf, namesOf, written } from "../../lib/json.ts"
import { Labelled, Tick } from "../../ui/fields.tsx"
import { Name, Typed } from "../../ui/inputs.tsx"
import { Panel } from "../../ui/parts.tsx"
import { dropped, put, renamed, typedValue, withField } from "./document.ts"
import type { PartProps } from "./parts.tsx"
import { Wrong } from "./problems.tsx"

export function KeepingForm({ of, onChange }: PartProps) {
  return (
    <Panel title="Serving">
      <Tick
        label="On"
        hint={`While it is off, everyone gets ${of.offVariant}.`}
        checked={of.enabled ?? true}
        onChange={(enabled) => onChange({ ...of, enabled })}
      />
      <Tick
        label="Sticky"
        hint="A person keeps the variant that a rollout or split gave them, though its numbers change."
        checked={of.sticky ?? false}
        onChange={(checked) => onChange(withField(of, "sticky", checked || undefined))}
      />
      <Tick
        label="Clients may decide it"
        hint="They then see its conditions over the context."
        checked={of.evaluation === "client"}
        onChange={(checked) => onChange(withField(of, "evaluation", checked ? "client" : undefined))}
      />
      <Wrong at="$.evaluation" />
      <Labelled label="A session keeps its variant for" hint="From 1m to 1d of silence; empty: sessions keep nothing.">
        {(names) => (
          <input
            {...names}
            className="field mono short"
            placeholder="30m"
            autoComplete="off"
            value={of.stickyFor ?? ""}
            onChange={(event) => onChange(withField(of, "stickyFor", event.target.value.trim() || undefined))}
          />
        )}
      </Labelled>
      <Wrong at="$.stickyFor" />
    </Panel>
  )
}

/** What few flags have: metadata, a schema of the values, the salt. */
export function MoreForm({ of, onChange }: PartProps) {
  const { metadata = {}, schema } = of
  const keep = (next: Record<string, unknown>) =>
    onChange(withField(of, "metadata", namesOf(next).length ? next : undefined))
  const free = (n: number): string => (`name${n}` in metadata ? free(n + 1) : `name${n}`)
  const said = namesOf(metadata).length > 0 || schema !== undefined
  return (
    <details className="panel more" open={said || undefined}>
      <summary>
        <h2>More</h2> <span className="mute">metadata, schema of the values, salt</span>
      </summary>
      <h3>Metadata</h3>
      <ul className="rows-form" aria-label="Metadata">
        {entriesOf(metadata).map(([name, value], index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a name may be written anew
          <li key={index} className="rule-line">
            <Name
              label={`Name of metadata ${index + 1}`}
              className="short"
              value={name}
              accepts={(text) => text !== "" && !(text in metadata)}
              onChange={(text) => keep(renamed(metadata, name, text))}
            />
            <Typed
              label={`Value of ${name}`}
              value={typeof value === "string" ? value : written(value ?? null)}
              onChange={(text) => keep(put(metadata, name, typeof value === "string" ? text : flat(text)))}
            />
            <button
              type="button"
              className="icon-button"
              aria-label={`Remove the metadata ${name}`}
              onClick={() => keep(dropped(metadata, name))}
            >
              <Trash2 aria-hidden="true" />
            </button>
          </li>
        ))}
      </ul>
      <Wrong at="$.metadata" />
      <button type="button" className="button small" onClick={() => keep(put(metadata, free(1), ""))}>
        Add metadata
      </button>
      <div className="labelled">
        <h3>Schema of the values</h3>
        <Typed
          label="JSON Schema of the values"
          className="mono"
          lines={3}
          placeholder='{"type": "string", "maxLength": 80}'
          value={schema === undefined || schema === null ? "" : written(schema, 2)}
          accepts={(text) => text.trim() === "" || typedValue("json", text) !== undefined}
          onChange={(text) =>
            onChange(withField(of, "schema", text.trim() ? (typedValue("json", text) as object as never) : undefined))
          }
        />
        <Wrong at="$.schema" />
      </div>
      {of.salt !== undefined && (
        <div className="labelled">
          <h3>Salt</h3>
          <Name
            label="Salt"
            className="short"
            value={of.salt}
            accepts={(text) => text !== ""}
            onChange={(salt) => onChange({ ...of, salt })}
          />
          <p className="mute">Another salt puts everyone into another bucket of its rollouts and splits.</p>
        </div>
      )}
    </details>
  )
}

/** A value of metadata that was none of text: it stays of its kind while it can. */
function flat(text: string): unknown {
  const found = typedValue("json", text)
  return found === undefined || typeof found === "object" ? text : found
}
