/** Values that identify no person: those that arrived, and those that the policy names. */
import { type FormEvent, useState } from "react"
import { count } from "../lib/format.ts"
import { announce } from "../ui/announced.tsx"
import { Confirm, Dialog } from "../ui/dialog.tsx"
import { Labelled } from "../ui/fields.tsx"
import { Answered, Empty, Failed, When } from "../ui/parts.tsx"
import { Table } from "../ui/table.tsx"
import { type BlockedRow, blockedRows, withBlocked, withoutBlocked } from "./policy.ts"
import { type LivePolicy, useBlocked, useIdentityPolicy, useSavePolicy } from "./queries.ts"

export function BlockedValues() {
  const arrived = useBlocked()
  const policy = useIdentityPolicy()
  const [blocking, setBlocking] = useState(false)
  const [unblocked, setUnblocked] = useState<BlockedRow>()
  return (
    <>
      <div className="page-tools">
        <p className="mute blocked-note">
          Beside a good identifier such a value is left out; a message with nothing else is rejected. Some values, such
          as an empty text or “null”, identify no person in any environment.
        </p>
        {policy.data && (
          <button type="button" className="button" onClick={() => setBlocking(true)}>
            Block a value…
          </button>
        )}
      </div>
      <Answered answer={policy} lines={4}>
        {(live) => (
          <Answered answer={arrived} lines={4}>
            {(blocked) => {
              const rows = blockedRows(live.document, blocked)
              if (rows.length === 0)
                return (
                  <Empty title="No value is blocked, and none arrived that identifies no person">
                    <p>Block a value that many people share, such as “guest” or an id of a test.</p>
                  </Empty>
                )
              return (
                <Table
                  heads={["Value", "Kind", "Messages", "Last", "By"]}
                  wide={[1]}
                  ends={[2, 3, 4]}
                  rows={rows.map((row) => [
                    <span key="value" className="break">
                      {row.value === "" ? <span className="mute">empty text</span> : <code>{row.value}</code>}
                    </span>,
                    row.kind,
                    count(row.messages),
                    <When key="at" at={row.lastAt} none="never" />,
                    row.byPolicy ? (
                      <button
                        key="by"
                        type="button"
                        className="link inline"
                        aria-label={`Unblock ${row.kind} ${row.value}`}
                        onClick={() => setUnblocked(row)}
                      >
                        Unblock…
                      </button>
                    ) : (
                      <span
                        key="by"
                        className="mute"
                        title="It identifies no person in any environment, or was unblocked since then"
                      >
                        no policy
                      </span>
                    ),
                  ])}
                />
              )
            }}
          </Answered>
        )}
      </Answered>
      {blocking && policy.data && <Block live={policy.data} onClose={() => setBlocking(false)} />}
      {unblocked && policy.data && (
        <Unblock live={policy.data} of={unblocked} onClose={() => setUnblocked(undefined)} />
      )}
    </>
  )
}

function Unblock({ live, of, onClose }: { live: LivePolicy; of: BlockedRow; onClose: () => void }) {
  const save = useSavePolicy()
  return (
    <Confirm
      title={`Unblock ${of.kind} ${of.value}?`}
      action="Unblock"
      busy={save.isPending}
      problem={save.error}
      onConfirm={() =>
        save.mutate(
          { version: live.version, document: withoutBlocked(live.document, of) },
          {
            onSuccess: () => {
              onClose()
              announce(
                "identity",
                <p>
                  <code>{of.value}</code> identifies a person again, from the next message on.
                </p>,
              )
            },
          },
        )
      }
      onClose={onClose}
    >
      <p>
        From the next message on, all messages with <code>{of.value}</code> as {of.kind} belong to one profile. What was
        rejected or left out before does not come back.
      </p>
    </Confirm>
  )
}

function Block({ live, onClose }: { live: LivePolicy; onClose: () => void }) {
  const [kind, setKind] = useState(live.document.kinds[0]?.kind ?? "userId")
  const [value, setValue] = useState("")
  const save = useSavePolicy()

  function submit(event: FormEvent): void {
    event.preventDefault()
    save.mutate(
      { version: live.version, document: withBlocked(live.document, { kind, value: value.trim() }) },
      {
        onSuccess: () => {
          onClose()
          announce(
            "identity",
            <p>
              <code>{value.trim()}</code> identifies no person, from the next message on.
            </p>,
          )
        },
      },
    )
  }

  return (
    <Dialog
      title="Block a value"
      lead="Messages are no longer joined by it. Profiles that exist stay."
      onClose={onClose}
    >
      <form className="form" onSubmit={submit}>
        <div className="form-row">
          <Labelled label="Kind">
            {(names) => (
              <select className="field" {...names} value={kind} onChange={(event) => setKind(event.target.value)}>
                {live.document.kinds.map((one) => (
                  <option key={one.kind}>{one.kind}</option>
                ))}
              </select>
            )}
          </Labelled>
          <Labelled label="Value" hint="In any case, with space around it or not.">
            {(names) => (
              <input
                className="field"
                {...names}
                required
                autoComplete="off"
                spellCheck={false}
                value={value}
                onChange={(event) => setValue(event.target.value)}
              />
            )}
          </Labelled>
        </div>
        <Failed problem={save.error} />
        <div className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={save.isPending || value.trim() === ""}>
            Block
          </button>
        </div>
      </form>
    </Dialog>
  )
}
