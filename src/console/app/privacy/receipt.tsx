/** One receipt: what went, and a search for what is left. */
import { type FormEvent, useState } from "react"
import type { Erasure } from "../lib/api.ts"
import { count, plural, whole, words } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { Labelled } from "../ui/fields.tsx"
import { Answered, Badge, Failed, Panel, When } from "../ui/parts.tsx"
import { Counts } from "./counts.tsx"
import { linesOf, namedIdentifier } from "./lines.ts"
import { LinesField } from "./many.tsx"
import { useCheck, useReceipt } from "./queries.ts"

export function Receipt({ id, onClose }: { id: string; onClose: () => void }) {
  const answer = useReceipt(id)
  return (
    <Panel
      title={`Receipt ${id}`}
      aside={
        <button type="button" className="link" onClick={onClose}>
          Close
        </button>
      }
    >
      <Answered answer={answer} lines={6}>
        {(receipt) => <Content of={receipt} />}
      </Answered>
    </Panel>
  )
}

function Content({ of }: { of: Erasure }) {
  const zone = useZone()
  return (
    <div className="dry-run">
      <p>
        <Badge>{of.kind === "anonymization" ? "anonymised" : "erased"}</Badge> {plural(of.profiles, "profile")} with{" "}
        {plural(of.identifiers, "identifier")} at {whole(of.erasedAt, zone)} (
        <When at={of.erasedAt} />) by {of.erasedBy}.
      </p>
      {of.note && <p className="break">“{of.note}”</p>}
      <Counts of={of} will={false} />
      <details>
        <summary className="mute">
          {plural(of.digests.length, "keyed hash", "keyed hashes")}, {plural(of.profileIds.length, "profile id")}
        </summary>
        <p className="small break">Profiles {of.profileIds.join(", ")}</p>
        <ul className="small break">
          {of.digests.map((digest) => (
            <li key={digest}>
              <code>{digest}</code>
            </li>
          ))}
        </ul>
      </details>
      {of.id !== null && <Check id={of.id} />}
    </div>
  )
}

/** Every table is searched, also for identifiers that are named: they are sent, and not stored. */
function Check({ id }: { id: string }) {
  const [text, setText] = useState("")
  const check = useCheck(id)
  const identifiers = linesOf(text).flatMap((line) => namedIdentifier(line) ?? [])

  function submit(event: FormEvent): void {
    event.preventDefault()
    check.mutate(identifiers)
  }

  return (
    <details>
      <summary className="mute">Search all tables for what is left</summary>
      <form className="form" onSubmit={submit}>
        <Labelled
          label="Identifiers, one a line"
          hint="As userId:ada. Without any, only the profile ids are searched for."
        >
          {(names) => <LinesField names={names} value={text} onChange={setText} />}
        </Labelled>
        <div className="tools">
          <button type="submit" className="button" disabled={check.isPending}>
            {check.isPending ? "Searching…" : "Search"}
          </button>
          <span className="small mute">It reads every table completely: minutes on a large database.</span>
        </div>
        <Failed problem={check.error} />
        {check.data && (
          <p role="status">
            {check.data.clean ? (
              <>
                <Badge tone="good">clean</Badge> Nothing is left.
              </>
            ) : (
              <>
                <Badge tone="bad">found</Badge>{" "}
                {check.data.found.map(({ table, rows }) => `${words(table)}: ${count(rows)}`).join(", ")}
              </>
            )}
          </p>
        )}
      </form>
    </details>
  )
}
