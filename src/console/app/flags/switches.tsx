/** On and off, which are edits, and the kill switch, which is no edit: it acts at once and no edit undoes it. */
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import type { Flag, FlagBody, Kills } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { value, whole } from "../lib/format.ts"
import { useMay, useZone } from "../lib/me.ts"
import { Confirm } from "../ui/dialog.tsx"
import { Labelled } from "../ui/fields.tsx"
import { When } from "../ui/parts.tsx"
import { useKills } from "./queries.ts"

type Act = "on" | "off" | "kill" | "revive"

const ACTS: Record<Act, { title: (name: string) => string; action: string }> = {
  on: { title: (name) => `Turn ${name} on`, action: "Turn on" },
  off: { title: (name) => `Turn ${name} off`, action: "Turn off" },
  kill: { title: (name) => `Kill ${name}`, action: "Kill" },
  revive: { title: (name) => `Revive ${name}`, action: "Revive" },
}

export function Switches({ of }: { of: Flag }) {
  const [act, setAct] = useState<Act | null>(null)
  if (!useMay("admin")) return null
  return (
    <>
      <button type="button" className="button" onClick={() => setAct(of.enabled ? "off" : "on")}>
        {of.enabled ? "Turn off" : "Turn on"}
      </button>
      {!of.killed && (
        <button type="button" className="button danger-line" onClick={() => setAct("kill")}>
          Kill
        </button>
      )}
      {act && <Switch act={act} of={of} onClose={() => setAct(null)} />}
    </>
  )
}

/** That the flag is killed, by whom and why, above everything else of its page. */
export function Killed({ of }: { of: Flag }) {
  const [asked, setAsked] = useState(false)
  const answer = useKills(of.key)
  const zone = useZone()
  const may = useMay("admin")
  const [kill] = answer.data?.kills ?? []
  if (!of.killed) return null
  return (
    <div className="notice bad" role="status">
      <p>
        <b>Killed.</b> Everyone gets <Variant of={of.document} named={of.document.offVariant ?? ""} />.{" "}
        {kill && (
          <>
            By {kill.killedBy}, <When at={kill.killedAt} />
            <span className="hidden"> at {whole(kill.killedAt, zone)}</span>
            {kill.note ? `: “${kill.note}”` : ", without a note"}.
          </>
        )}
      </p>
      {may && (
        <button type="button" className="button" onClick={() => setAsked(true)}>
          Revive
        </button>
      )}
      {asked && <Switch act="revive" of={of} onClose={() => setAsked(false)} />}
    </div>
  )
}

function Switch({ act, of, onClose }: { act: Act; of: Flag; onClose: () => void }) {
  const queries = useQueryClient()
  const [note, setNote] = useState("")
  const sent = useMutation({
    mutationFn: () => perform(act, of, note.trim()),
    onSuccess: async () => {
      await Promise.all([
        queries.invalidateQueries({ queryKey: ["definitions"] }),
        queries.invalidateQueries({ queryKey: ["simulate"] }),
      ])
      onClose()
    },
  })
  const { title, action } = ACTS[act]
  return (
    <Confirm
      title={title(of.key)}
      action={action}
      busy={sent.isPending}
      problem={sent.error}
      onConfirm={() => sent.mutate()}
      onClose={onClose}
    >
      <Consequence act={act} of={of} />
      {act !== "revive" && (
        <Labelled label="Note" hint={act === "kill" ? "Every answer names it." : "The history shows it."}>
          {(names) => (
            <input
              className="field"
              autoComplete="off"
              placeholder="Why"
              value={note}
              onChange={(event) => setNote(event.target.value)}
              {...names}
            />
          )}
        </Labelled>
      )}
    </Confirm>
  )
}

function Consequence({ act, of }: { act: Act; of: Flag }) {
  const off = <Variant of={of.document} named={of.document.offVariant ?? ""} />
  if (act === "off") return <p>Everyone gets {off}, as soon as this edit is live.</p>
  if (act === "kill")
    return <p>Everyone gets {off} from the next decision on. It lasts until the flag is revived: no edit undoes it.</p>
  if (act === "revive" && !of.enabled) return <p>The flag is off as well: everyone still gets {off}.</p>
  return <p>{act === "on" ? "The rules decide, as soon as this edit is live." : "The rules decide again, at once."}</p>
}

function Variant({ of, named }: { of: FlagBody; named: string }) {
  const given = of.variants?.[named]
  return (
    <>
      <code>{named}</code>
      {given !== undefined && given !== "" && String(given) !== named && <> ({value(given)})</>}
    </>
  )
}

function perform(act: Act, of: Flag, note: string): Promise<Flag | Kills> {
  if (act === "kill" || act === "revive")
    return ask<Kills>(address(["admin", "flags", of.key, act]), {
      method: "POST",
      body: act === "kill" ? { note } : {},
    })
  return ask<Flag>(address(["admin", "flags", of.key], { note: note || undefined }), {
    method: "PUT",
    body: { ...of.document, enabled: act === "on" },
    headers: { "If-Match": `"${of.version}"` },
  })
}
