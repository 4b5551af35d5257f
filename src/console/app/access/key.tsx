/** One key: its limits, its successor and its end. */
import { type FormEvent, useState } from "react"
import type { ListedKey } from "../lib/api.ts"
import { problemAt, problemElsewhere } from "../lib/client.ts"
import { useMe } from "../lib/me.ts"
import { Confirm, Dialog } from "../ui/dialog.tsx"
import { Labelled } from "../ui/fields.tsx"
import { Failed, useNow, When } from "../ui/parts.tsx"
import { Limits, ShownOnce } from "./new_key.tsx"
import { useChangeKey, useRevocation, useRevokeKey, useRotateKey } from "./queries.ts"
import { beginningOf, originsOf, SCOPES, stateOf } from "./scopes.ts"

const OVERLAPS = [
  { value: "0s", title: "at once" },
  { value: "1h", title: "in an hour" },
  { value: "24h", title: "in a day" },
  { value: "7d", title: "in 7 days" },
  { value: "30d", title: "in 30 days" },
  { value: "90d", title: "in 90 days" },
]

export function KeyDialog({ of, onClose }: { of: ListedKey; onClose: () => void }) {
  const [doing, setDoing] = useState<"" | "rotate" | "revoke">("")
  const own = useMe()?.key.id === of.id
  const state = stateOf(of, useNow())
  if (doing === "rotate") return <Rotate of={of} own={own} onClose={onClose} />
  if (doing === "revoke") return own ? <OwnKey of={of} onClose={onClose} /> : <Revoke of={of} onClose={onClose} />
  const ended = state === "revoked" || state === "expired"
  return (
    <Dialog title={of.name} lead={<Facts of={of} />} onClose={onClose}>
      {ended ? (
        <p className="dialog-body">
          It has {state === "expired" ? "expired" : "been revoked"}, and cannot be brought back. Make a new key instead.
        </p>
      ) : (
        <Edit of={of} onClose={onClose}>
          <button type="button" className="button" onClick={() => setDoing("revoke")}>
            Revoke…
          </button>
          {state === "active" && (
            <button type="button" className="button" onClick={() => setDoing("rotate")}>
              Rotate…
            </button>
          )}
        </Edit>
      )}
    </Dialog>
  )
}

function Facts({ of }: { of: ListedKey }) {
  return (
    <dl className="pairs key-facts">
      <div>
        <dt>Begins with</dt>
        <dd>
          <code>{of.prefix}</code>
        </dd>
      </div>
      {SCOPES.filter(({ scope }) => of.scopes.includes(scope)).map(({ scope, may }) => (
        <div key={scope}>
          <dt>
            <code>{scope}</code>
          </dt>
          <dd>{may}</dd>
        </div>
      ))}
      <div>
        <dt>Last used</dt>
        <dd>
          <When at={of.lastUsedAt} none="never" />
        </dd>
      </div>
      <div>
        <dt>{of.revokedAt ? "Revoked" : "Ends"}</dt>
        <dd>
          <When at={of.revokedAt ?? of.expiresAt} none="never" />
          {of.replacedBy !== null && ", and has a successor"}
        </dd>
      </div>
    </dl>
  )
}

function Edit({ of, onClose, children }: { of: ListedKey; onClose: () => void; children: React.ReactNode }) {
  const change = useChangeKey(of.id)
  const before = { name: of.name, origins: of.origins.join("\n"), day: of.expiresAt?.slice(0, 10) ?? "" }
  const [name, setName] = useState(before.name)
  const [origins, setOrigins] = useState(before.origins)
  const [day, setDay] = useState(before.day)
  const wrong = (path: string) => problemAt(change.error, path)
  const changed = name !== before.name || origins !== before.origins || day !== before.day

  function submit(event: FormEvent): void {
    event.preventDefault()
    // Of a day that stays, the time of day stays.
    const ends = day === before.day ? {} : { expiresAt: beginningOf(day) }
    change.mutate({ name: name.trim(), origins: originsOf(origins), ...ends }, { onSuccess: onClose })
  }

  return (
    <form className="form" onSubmit={submit}>
      <Labelled label="Name" problem={wrong("$.name")}>
        {(names) => (
          <input className="field" {...names} value={name} onChange={(event) => setName(event.target.value)} />
        )}
      </Labelled>
      <Limits {...{ origins, setOrigins, day, setDay, wrong }} />
      <Failed problem={problemElsewhere(change.error, ["$.name", "$.origins", "$.expiresAt"])} />
      <div className="dialog-foot">
        <span className="apart">{children}</span>
        <button type="submit" className="button primary" disabled={change.isPending || !changed}>
          Save
        </button>
      </div>
    </form>
  )
}

function Rotate({ of, own, onClose }: { of: ListedKey; own: boolean; onClose: () => void }) {
  const rotate = useRotateKey(of.id)
  const [overlap, setOverlap] = useState("7d")
  if (rotate.data)
    return <ShownOnce title={`The successor of ${of.name} is made`} made={rotate.data} onClose={onClose} />
  return (
    <Dialog
      title={`Rotate ${of.name}`}
      lead="Makes a successor with the same name, scopes and origins. Both work until the old key ends."
      onClose={onClose}
    >
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          rotate.mutate(overlap)
        }}
      >
        <Labelled
          label="The old key ends"
          hint={own ? "You are signed in with it: sign in with its successor before." : ""}
        >
          {(names) => (
            <select className="field" {...names} value={overlap} onChange={(event) => setOverlap(event.target.value)}>
              {OVERLAPS.map(({ value, title }) => (
                <option key={value} value={value}>
                  {title}
                </option>
              ))}
            </select>
          )}
        </Labelled>
        <Failed problem={rotate.error} />
        <div className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={rotate.isPending}>
            Make the successor
          </button>
        </div>
      </form>
    </Dialog>
  )
}

function Revoke({ of, onClose }: { of: ListedKey; onClose: () => void }) {
  const now = useRevocation(of.id)
  const revoke = useRevokeKey(of.id)
  return (
    <Confirm
      title={`Revoke the key ${of.name}?`}
      action="Revoke the key"
      busy={!now.data || revoke.isPending}
      problem={revoke.error ?? now.error}
      onConfirm={() => revoke.mutate(undefined, { onSuccess: onClose })}
      onClose={onClose}
    >
      <p>
        <code>{of.prefix}…</code> with {of.scopes.join(", ")} stops working within moments. This cannot be undone.
      </p>
      <p>
        {now.data?.lastUsedAt ? (
          <>
            <b>
              It was last used <When at={now.data.lastUsedAt} />.
            </b>{" "}
            What uses it is refused from then on.
          </>
        ) : (
          "No use of it was recorded. Uses of the last minute may be missing."
        )}
      </p>
    </Confirm>
  )
}

function OwnKey({ of, onClose }: { of: ListedKey; onClose: () => void }) {
  return (
    <Dialog title={`You are signed in with ${of.name}`} onClose={onClose}>
      <p className="dialog-body">
        A key cannot revoke itself, so that an environment keeps an admin. Sign in with another admin key, and revoke
        this one there.
      </p>
      <div className="dialog-foot">
        <button type="button" className="button primary" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  )
}
