/** Editing an event's entry in the tracking plan, beside what it would do. */
import { Plus, Trash2 } from "lucide-react"
import { useMemo, useState } from "react"
import { useDraft } from "../editor/drafts.ts"
import type { EventPage, PlannedEvent } from "../lib/api.ts"
import { RequestFailed } from "../lib/client.ts"
import { plural } from "../lib/format.ts"
import { useMe } from "../lib/me.ts"
import { useRested } from "../lib/rested.ts"
import { Confirm, Dialog } from "../ui/dialog.tsx"
import { Labelled, Tick } from "../ui/fields.tsx"
import { Failed } from "../ui/parts.tsx"
import { arrivingRows, doubled, entryOf, type Fields, fieldsOf, type Row, rowOf, TYPES } from "./entry.ts"
import { foreseen } from "./foreseen.ts"
import { usePlanCheck, useSavePlan } from "./queries.ts"
import { nameInWords } from "./words.tsx"

const NEW: PlannedEvent = {}

export function PlanDialog(props: { name: string; found?: EventPage; onClose: () => void }) {
  const { name, found, onClose } = props
  const me = useMe()
  const plan = found?.plan ?? null
  const version = plan?.entry ? plan.version : 0
  const published = useMemo(() => fieldsOf(plan?.entry ?? NEW), [plan])
  const of = { environment: me?.environment.key ?? "", kind: "plan", name }
  const { fields, base, drafted, change, discard, rebase, finish } = useDraft<Fields>(of, version, published)
  const save = useSavePlan(name, finish)
  const [removing, setRemoving] = useState(false)
  const twice = doubled(fields)
  const entry = useMemo(() => entryOf(fields), [fields])
  const moved = drafted && base !== version && !save.isPending

  if (removing) return <Remove name={name} base={version} onClose={onClose} onSaved={finish} />
  return (
    <Dialog
      title={plan?.entry ? `Plan of ${nameInWords(name)}` : `Plan ${nameInWords(name)}`}
      lead={
        <>
          In the environment <b className="environment">{me?.environment.key}</b>. What you type is kept in this browser
          until you save or discard it.
        </>
      }
      onClose={onClose}
      wide
    >
      {moved && (
        <div className="notice warn" role="status">
          <p>
            {plan ? `${plan.changedBy} changed the plan` : "The plan was changed"} after you began. Nothing of yours is
            lost: go on with your text over theirs, or discard yours.
          </p>
          <button type="button" className="button" onClick={() => rebase(version, fields)}>
            Go on with mine
          </button>
        </div>
      )}
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          save.mutate({ entry, base }, { onSuccess: onClose })
        }}
      >
        <About fields={fields} change={change} />
        <Rows fields={fields} change={change} found={found} />
        {twice && (
          <p className="problem" role="alert">
            Two properties are called {twice}.
          </p>
        )}
        <Effects name={name} entry={entry} found={found} />
        {save.error && !isShown(save.error) && <Failed problem={save.error} />}
        <div className="dialog-foot">
          <span className="apart">
            {plan?.entry && (
              <button type="button" className="button" onClick={() => setRemoving(true)}>
                Remove…
              </button>
            )}
            {drafted && (
              <button type="button" className="button" onClick={discard}>
                Discard changes
              </button>
            )}
          </span>
          <button
            type="submit"
            className="button primary"
            disabled={(!drafted && version > 0) || moved || !!twice || save.isPending}
          >
            Save
          </button>
        </div>
      </form>
    </Dialog>
  )
}

/** The dry run says the same of an entry that is wrong. */
function isShown(problem: Error): boolean {
  return problem instanceof RequestFailed && problem.code === "INVALID_PLAN"
}

interface Editing {
  fields: Fields
  change: (part: Partial<Fields>) => void
}

function About({ fields, change }: Editing) {
  return (
    <>
      <div className="form-row">
        <Labelled label="Description">
          {(names) => (
            <input
              className="field"
              {...names}
              value={fields.description}
              placeholder="A customer paid."
              onChange={(event) => change({ description: event.target.value })}
            />
          )}
        </Labelled>
        <Labelled label="Owner">
          {(names) => (
            <input
              className="field"
              {...names}
              value={fields.owner}
              placeholder="checkout"
              onChange={(event) => change({ owner: event.target.value })}
            />
          )}
        </Labelled>
        <Labelled label="Status">
          {(names) => (
            <select
              className="field"
              {...names}
              value={fields.status}
              onChange={(event) => change({ status: event.target.value as Fields["status"] })}
            >
              <option value="active">active</option>
              <option value="experimental">experimental: only a label</option>
              <option value="deprecated">deprecated: accepted with a warning</option>
              <option value="blocked">blocked: refused</option>
            </select>
          )}
        </Labelled>
        <Labelled label="What breaks the plan">
          {(names) => (
            <select
              className="field"
              {...names}
              value={fields.enforce}
              onChange={(event) => change({ enforce: event.target.value as Fields["enforce"] })}
            >
              <option value="warn">is noted, and accepted</option>
              <option value="reject">is refused</option>
            </select>
          )}
        </Labelled>
      </div>
      <div className="form-row">
        <Tick
          label="Accept properties that are not named here"
          checked={fields.additional}
          onChange={(additional) => change({ additional })}
        />
        <Tick label="Offer it in editors" checked={fields.visible} onChange={(visible) => change({ visible })} />
      </div>
    </>
  )
}

function Rows({ fields, change, found }: Editing & { found?: EventPage }) {
  const rows = fields.rows
  const arriving = arrivingRows(fields, found)
  const put = (index: number, part: Partial<Row>) =>
    change({ rows: rows.map((row, at) => (at === index ? { ...row, ...part } : row)) })
  return (
    <fieldset className="planned">
      <legend>Properties</legend>
      {rows.map((row, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row is the one at its place; its name is being typed
        <PropertyRow key={index} row={row} put={(part) => put(index, part)}>
          <button
            type="button"
            className="icon-button"
            aria-label={`Remove ${row.name || "the property"}`}
            onClick={() => change({ rows: rows.filter((_, at) => at !== index) })}
          >
            <Trash2 aria-hidden="true" />
          </button>
        </PropertyRow>
      ))}
      <div className="tools">
        <button type="button" className="button small" onClick={() => change({ rows: [...rows, rowOf("")] })}>
          <Plus aria-hidden="true" /> Add a property
        </button>
        {arriving.length > 0 && (
          <button type="button" className="button small" onClick={() => change({ rows: [...rows, ...arriving] })}>
            Add the {arriving.length} that {arriving.length === 1 ? "arrives" : "arrive"}
          </button>
        )}
      </div>
    </fieldset>
  )
}

function PropertyRow(props: { row: Row; put: (part: Partial<Row>) => void; children: React.ReactNode }) {
  const { row, put } = props
  const called = row.name || "the new property"
  const text = (name: "description" | "minimum" | "maximum" | "maxLength", label: string) => (
    <Labelled label={label}>
      {(names) => (
        <input
          className="field"
          {...names}
          value={row[name]}
          onChange={(event) => put({ [name]: event.target.value })}
        />
      )}
    </Labelled>
  )
  return (
    <div className="planned-row">
      <input
        className="field mono"
        aria-label="Name of the property"
        value={row.name}
        placeholder="cart.size"
        spellCheck={false}
        onChange={(event) => put({ name: event.target.value })}
      />
      <select
        className="field"
        aria-label={`Type of ${called}`}
        value={row.type}
        onChange={(event) => put({ type: event.target.value as Row["type"] })}
      >
        <option value="">any type</option>
        {TYPES.map((type) => (
          <option key={type}>{type}</option>
        ))}
      </select>
      <Tick label="required" checked={row.required} onChange={(required) => put({ required })} />
      {props.children}
      <details>
        <summary>{limitsOf(row) || "What it is, and its limits"}</summary>
        <div className="form-row">
          {text("description", "What it is")}
          <Labelled label="Allowed values" hint="One a line. Empty: all.">
            {(names) => (
              <textarea
                className="field mono"
                rows={2}
                {...names}
                value={row.values}
                onChange={(event) => put({ values: event.target.value })}
              />
            )}
          </Labelled>
          {text("minimum", "Smallest number")}
          {text("maximum", "Largest number")}
          {text("maxLength", "Longest text or list")}
          <Tick
            label="Revenue"
            hint="Its numbers add up to what a person paid."
            checked={row.revenue}
            onChange={(revenue) => put({ revenue })}
          />
        </div>
      </details>
    </div>
  )
}

function limitsOf(row: Row): string {
  const values = row.values.split("\n").filter((line) => line.trim() !== "")
  return [
    row.description,
    values.length > 0 && `one of ${values.join(", ")}`,
    row.minimum && `at least ${row.minimum}`,
    row.maximum && `at most ${row.maximum}`,
    row.maxLength && `to ${row.maxLength} long`,
    row.revenue && "revenue",
  ]
    .filter(Boolean)
    .join(" · ")
}

/** The dry run: what of the last days would not have fitted, and which definitions read a property as another type. */
function Effects({ name, entry, found }: { name: string; entry: PlannedEvent; found?: EventPage }) {
  const check = usePlanCheck(name, useRested(entry))
  const lines = foreseen(entry, found)
  const refused = entry.enforce === "reject" || entry.status === "blocked"
  const breaks = check.data?.breaks ?? []
  return (
    <section className="effects" aria-label="What it would do" aria-live="polite">
      <h3>What it would do</h3>
      {check.error && <Failed problem={check.error} />}
      {lines.length === 0 && breaks.length === 0 && !check.error && (
        <p className="mute">
          {found?.event.total
            ? "All that arrived lately fits, as far as types and names say."
            : "Nothing has arrived yet that it could concern."}
        </p>
      )}
      {lines.length > 0 && (
        <>
          <p>Of what arrived lately, this {refused ? <b>would be refused</b> : "would be noted, and accepted"}:</p>
          <ul className="effect-lines">
            {lines.map(({ path, text }) => (
              <li key={`${path} ${text}`}>
                {path && <code>{path}</code>} {text}
              </li>
            ))}
          </ul>
        </>
      )}
      {breaks.length > 0 && (
        <>
          <p>{plural(breaks.length, "definition")} would contradict it, and go on serving with unknown comparisons:</p>
          <ul className="effect-lines">
            {breaks.map(({ kind, key, message }) => (
              <li key={`${kind} ${key}`}>
                <code>{key}</code> {message}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  )
}

function Remove(props: { name: string; base: number; onSaved: () => void; onClose: () => void }) {
  const check = usePlanCheck(props.name, null)
  const save = useSavePlan(props.name, props.onSaved)
  return (
    <Confirm
      title={`Remove ${nameInWords(props.name)} from the plan?`}
      action="Remove the entry"
      busy={!check.data || save.isPending}
      problem={save.error ?? check.error}
      onConfirm={() => save.mutate({ entry: null, base: props.base }, { onSuccess: props.onClose })}
      onClose={props.onClose}
    >
      <p>The event is accepted as it comes from then on, and types are no longer converted. Its versions are kept.</p>
    </Confirm>
  )
}
