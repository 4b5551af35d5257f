/** What signs the messages of a destination: since when, until when, and a new key. */
import { type FormEvent, useState } from "react"
import type { Destination, Secret } from "../lib/api.ts"
import { whole } from "../lib/format.ts"
import { useMe, useZone } from "../lib/me.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Choice } from "../ui/fields.tsx"
import { Answered, Copyable, Failed, Panel, When } from "../ui/parts.tsx"
import { useNewSecret, useSecrets } from "./queries.ts"

const NAMES: Record<Secret["algorithm"], string> = { v1: "HMAC-SHA-256", v1a: "Ed25519" }

export function SecretsPanel({ of }: { of: Destination }) {
  const answer = useSecrets(of.key)
  const [making, setMaking] = useState(false)
  return (
    <Panel
      title="Signatures"
      aside={
        <button type="button" className="button small" onClick={() => setMaking(true)}>
          {answer.data?.length ? "Rotate…" : "New secret…"}
        </button>
      }
    >
      <Answered answer={answer} lines={2}>
        {(secrets) =>
          secrets.length === 0 ? (
            <p className="mute">No secret was shown yet, so a receiver cannot check the signatures.</p>
          ) : (
            <ul className="plain-list">
              {secrets.map((one) => (
                <li key={one.createdAt}>
                  {NAMES[one.algorithm]}{" "}
                  <span className="mute">
                    made <When at={one.createdAt} />
                    {one.until !== null && (
                      <>
                        , ends <When at={one.until} />
                      </>
                    )}
                  </span>
                </li>
              ))}
            </ul>
          )
        }
      </Answered>
      {making && <NewSecret of={of} rotates={!!answer.data?.length} onClose={() => setMaking(false)} />}
    </Panel>
  )
}

function NewSecret({ of, rotates, onClose }: { of: Destination; rotates: boolean; onClose: () => void }) {
  const me = useMe()
  const make = useNewSecret(of.key)
  const [algorithm, setAlgorithm] = useState<Secret["algorithm"]>("v1")
  if (make.data) return <Shown of={make.data} onClose={onClose} />
  function submit(event: FormEvent): void {
    event.preventDefault()
    make.mutate(algorithm)
  }
  return (
    <Dialog
      title={`New secret of ${of.name}`}
      lead={
        <>
          In the environment <b className="environment">{me?.environment.key}</b>.{" "}
          {rotates
            ? "The one of now signs beside it for 24 hours, so that the receiver has time to change."
            : "Receivers check with it that a message comes from here."}
        </>
      }
      onClose={onClose}
    >
      <form className="form" onSubmit={submit}>
        <Choice
          label="How it signs"
          options={[
            { value: "v1", title: "Shared secret" },
            { value: "v1a", title: "Public key" },
          ]}
          value={algorithm}
          onChange={setAlgorithm}
        />
        <p className="mute">
          {algorithm === "v1"
            ? "HMAC-SHA-256, as most receivers know it. Who has the secret could sign too."
            : "Ed25519: the receiver gets a public key, which can check and not sign."}
        </p>
        <Failed problem={make.error} />
        <div className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={make.isPending}>
            Make it
          </button>
        </div>
      </form>
    </Dialog>
  )
}

function Shown({ of, onClose }: { of: Secret; onClose: () => void }) {
  const zone = useZone()
  const what = of.algorithm === "v1" ? "secret" : "public key"
  return (
    <Dialog title={`The ${what} is made`} onClose={onClose} keep>
      <div className="dialog-body">
        <Copyable text={of.secret} />
        <p>
          <b>Copy it now.</b> It is shown only here.
        </p>
        {of.oldUntil !== null && <p>The one before signs beside it until {whole(of.oldUntil, zone)}.</p>}
      </div>
      <div className="dialog-foot">
        <button type="button" className="button primary" onClick={onClose}>
          I have copied it
        </button>
      </div>
    </Dialog>
  )
}
