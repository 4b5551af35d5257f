/** What a sync would send, counted when it is asked for, with examples. */
import type { PreviewedRecord, SyncPreview } from "../../lib/api.ts"
import { exactCount, plural } from "../../lib/format.ts"
import { isSameJson } from "../../lib/json.ts"
import { Badge, Failed, Panel, type Tone } from "../../ui/parts.tsx"
import { Table } from "../../ui/table.tsx"
import type { Document } from "../form/document.ts"
import { Person } from "../messages/log.tsx"
import { Figure } from "../state.tsx"
import { useSyncPreview } from "./queries.ts"
import { line } from "./words.ts"

const TONES: Record<string, Tone> = { added: "good", changed: "info", removed: "bad" }

/** document: one that is being written; without it, the saved one. */
export function PreviewPanel(props: { name: string; document?: Document; ready?: boolean }) {
  const { name, document, ready = true } = props
  const preview = useSyncPreview(name)
  const isOld = preview.data !== undefined && document !== undefined && !isSameJson(document, preview.variables)
  return (
    <Panel title="Preview" aside={<span className="mute">nothing is sent</span>}>
      <p className="mute">
        What the next run would do{document ? " if this were saved" : ""}, and a few of the records.
      </p>
      <p className="tools delivery-tools">
        <button
          type="button"
          className="button"
          disabled={!ready || preview.isPending}
          onClick={() => preview.mutate(document)}
        >
          {preview.isPending ? "Counting…" : preview.data ? "Count again" : "Count what it would send"}
        </button>
        {isOld && !preview.isPending && <span className="mute">It was changed since: this is of before.</span>}
      </p>
      <Failed problem={preview.error} />
      <div aria-live="polite">{preview.data && <Counted of={preview.data} />}</div>
    </Panel>
  )
}

function Counted({ of }: { of: SyncPreview }) {
  return (
    <>
      {!of.isComplete && (
        <div className="notice warn" role="status">
          <p>
            Only the first {plural(of.profiles, "person", "people")} of {exactCount(of.of)} were looked at: the counts
            are of these.
          </p>
        </div>
      )}
      {of.wouldBrake && (
        <div className="notice bad" role="status">
          <p>
            So many would be removed that the brake would hold: {plural(of.removed, "removal")} would wait for a
            release.
          </p>
        </div>
      )}
      <dl className="delivery-figures">
        <Figure title="Added" note="the receiver lacks them">
          {exactCount(of.added)}
        </Figure>
        <Figure title="Changed" note="it has them otherwise">
          {exactCount(of.changed)}
        </Figure>
        <Figure title="Removed" note="keys that leave, besides those that wait">
          {exactCount(of.removed)}
        </Figure>
        <Figure title="Unchanged" note="not sent again">
          {exactCount(of.unchanged)}
        </Figure>
        <Figure title="Unmatched" note="a match field is missing">
          {exactCount(of.unmatched)}
        </Figure>
      </dl>
      {of.whyUnmatched && <p className="mute">One that is unmatched: {of.whyUnmatched}</p>}
      {of.examples.length > 0 && (
        <Table
          heads={["Change", "Person", "Match key", "Record"]}
          wide={[1, 2]}
          ends={[]}
          rows={of.examples.map((one) => cellsOf(one))}
        />
      )}
    </>
  )
}

function cellsOf(one: PreviewedRecord) {
  return [
    <span key="change">
      <Badge tone={TONES[one.change] ?? "quiet"}>{one.change}</Badge> <small className="mute">{one.operation}</small>
    </span>,
    <Person key="person" id={one.profileId} />,
    <code key="key" className="break">
      {line(one.key)}
    </code>,
    <code key="record" className="break">
      {line(one.record)}
    </code>,
  ]
}
