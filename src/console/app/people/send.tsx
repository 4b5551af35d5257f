/** Send an event or properties of a person, as an application does. */
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { type FormEvent, useId, useState } from "react"
import type { Profile } from "../lib/api.ts"
import { address, ask, RequestFailed } from "../lib/client.ts"
import { useMe } from "../lib/me.ts"
import { useEvents } from "../registry/queries.ts"
import { announce } from "../ui/announced.tsx"
import { Dialog } from "../ui/dialog.tsx"
import { Choice, Labelled } from "../ui/fields.tsx"
import { Failed } from "../ui/parts.tsx"
import { identifierOf, nameOf } from "./names.ts"

const CALLS = [
  { value: "track", title: "An event" },
  { value: "identify", title: "Properties" },
] as const
type Call = (typeof CALLS)[number]["value"]

/** The kinds by which a message names a person. */
const SENT_AS = ["userId", "anonymousId", "deviceId", "externalId"]

interface Taken {
  accepted: number
  rejected: { code: string; message: string }[]
}

/** A JSON object, or what is wrong with the text. */
export function objectOf(text: string): Record<string, unknown> | string {
  if (text.trim() === "") return {}
  try {
    const found: unknown = JSON.parse(text)
    if (typeof found === "object" && found !== null && !Array.isArray(found)) return found as Record<string, unknown>
    return 'It is a JSON object, as {"amount": 20} is.'
  } catch (problem) {
    return problem instanceof Error ? problem.message : String(problem)
  }
}

function useSend() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: async ({ call, body }: { call: Call; body: object }) => {
      const taken = await ask<Taken>(address([call]), { method: "POST", body })
      const [refused] = taken.rejected ?? []
      if (refused) throw new RequestFailed(200, refused.code, refused.message)
      return taken
    },
    onSuccess: () => {
      for (const what of ["person", "people", "registry"]) queries.invalidateQueries({ queryKey: [what] })
    },
  })
}

export function SendDialog({ of, onClose }: { of: Profile; onClose: () => void }) {
  const me = useMe()
  const id = useId()
  const events = useEvents().data?.events ?? []
  const names = of.identifiers.filter(({ kind }) => SENT_AS.includes(kind))
  const usual = identifierOf(of)
  const [as, setAs] = useState(
    Math.max(
      0,
      names.findIndex(({ value }) => value === usual),
    ),
  )
  const [call, setCall] = useState<Call>("track")
  const [event, setEvent] = useState("")
  const [text, setText] = useState("")
  const send = useSend()
  const given = objectOf(text)
  const sender = names[as]

  function submit(submitted: FormEvent): void {
    submitted.preventDefault()
    if (!sender || typeof given === "string") return
    const who = { [sender.kind]: sender.value }
    const body = call === "track" ? { ...who, event: event.trim(), properties: given } : { ...who, traits: given }
    send.mutate({ call, body }, { onSuccess: done })
  }

  function done(): void {
    onClose()
    announce(
      `person ${of.id}`,
      <p>
        {call === "track" ? (
          <>
            <b>{event.trim()}</b> is stored, and everything below includes it.
          </>
        ) : (
          "The properties are stored, and everything below includes them."
        )}{" "}
        <Link to="." search={((now: Record<string, unknown>) => ({ by: now.by, tab: "events" })) as never}>
          Look at the events
        </Link>
      </p>,
    )
  }

  return (
    <Dialog
      title={`Send for ${nameOf(of)}`}
      lead={
        <p>
          In the environment <b className="environment">{me?.environment.key ?? "…"}</b>. It is real, and counts like
          any other.
        </p>
      }
      onClose={onClose}
    >
      <form className="form event-form" onSubmit={submit}>
        <Choice label="What is sent" options={CALLS} value={call} onChange={setCall} />
        {call === "track" && (
          <Labelled label="Event">
            {(field) => (
              <>
                <input
                  className="field"
                  {...field}
                  list={`${id}-events`}
                  required
                  autoComplete="off"
                  spellCheck={false}
                  value={event}
                  onChange={(change) => setEvent(change.target.value)}
                />
                <datalist id={`${id}-events`}>
                  {events.map(({ name }) => (
                    <option key={name} value={name} />
                  ))}
                </datalist>
              </>
            )}
          </Labelled>
        )}
        <Labelled label="Properties" problem={typeof given === "string" ? given : ""} hint="A JSON object, or nothing.">
          {(field) => (
            <textarea
              className="field mono"
              {...field}
              spellCheck={false}
              placeholder={call === "track" ? '{"amount": 20}' : '{"plan": "pro"}'}
              value={text}
              onChange={(change) => setText(change.target.value)}
            />
          )}
        </Labelled>
        {names.length > 1 && (
          <Labelled label="As">
            {(field) => (
              <select className="field" {...field} value={as} onChange={(change) => setAs(Number(change.target.value))}>
                {names.map(({ kind, value }, at) => (
                  <option key={`${kind} ${value}`} value={at}>
                    {kind} {value}
                  </option>
                ))}
              </select>
            )}
          </Labelled>
        )}
        {names.length === 0 && <p className="mute">This person has no identifier that a message could name.</p>}
        <Failed problem={send.error} />
        <div className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            className="button primary"
            disabled={send.isPending || !sender || typeof given === "string"}
          >
            Send
          </button>
        </div>
      </form>
    </Dialog>
  )
}
