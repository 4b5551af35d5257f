import { useNavigate, useSearch } from "@tanstack/react-router"
import { Plus } from "lucide-react"
import { useState } from "react"
import "./access.css"
import type { ListedKey } from "../lib/api.ts"
import { plural } from "../lib/format.ts"
import { useMay, useMe } from "../lib/me.ts"
import { Choice } from "../ui/fields.tsx"
import { Answered, Badge, Empty, NeedsAdmin, Page, type Tone, useNow, When } from "../ui/parts.tsx"
import { EnvironmentsPanel } from "./environments.tsx"
import { KeyDialog } from "./key.tsx"
import { NewKeyDialog } from "./new_key.tsx"
import { useKeys } from "./queries.ts"
import { type State, stateOf } from "./scopes.ts"

const TONES: Record<State, Tone> = { active: "good", replaced: "warn", expired: "quiet", revoked: "quiet" }
const SHOWN = [
  { value: "valid", title: "Valid" },
  { value: "all", title: "All" },
] as const

export function KeysPage() {
  const me = useMe()
  const may = useMay("admin")
  const answer = useKeys(may)
  const { q = "", show, key } = useSearch({ strict: false })
  const navigate = useNavigate()
  const [making, setMaking] = useState(false)
  const look = (search: { q?: string; show?: string; key?: string }) =>
    navigate({ to: "/keys", search: { q: q || undefined, show, key, ...search }, replace: true })
  const opened = answer.data?.find(({ id }) => String(id) === key)
  if (me && !may) {
    return (
      <Page title="Keys" lead="What may send, ask and change.">
        <NeedsAdmin what="Keys" />
      </Page>
    )
  }
  return (
    <Page
      title="Keys"
      lead="A key belongs to one environment, and its scopes say what it may do there."
      aside={
        <div className="tools">
          <input
            type="search"
            className="field filter"
            aria-label="Filter keys"
            placeholder="Name, scope or prefix   /"
            value={q}
            onChange={(event) => look({ q: event.target.value || undefined })}
          />
          <Choice
            label="Which keys"
            options={SHOWN}
            value={show === "all" ? "all" : "valid"}
            onChange={(chosen) => look({ show: chosen === "all" ? "all" : undefined })}
          />
          <button type="button" className="button primary" onClick={() => setMaking(true)}>
            <Plus aria-hidden="true" /> New key
          </button>
        </div>
      }
    >
      <Answered answer={answer} lines={6}>
        {(keys) => <Rows keys={keys} q={q} all={show === "all"} open={(id) => look({ key: String(id) })} />}
      </Answered>
      <EnvironmentsPanel />
      {making && <NewKeyDialog onClose={() => setMaking(false)} />}
      {opened && <KeyDialog key={opened.id} of={opened} onClose={() => look({ key: undefined })} />}
    </Page>
  )
}

function Rows({ keys, q, all, open }: { keys: ListedKey[]; q: string; all: boolean; open: (id: number) => void }) {
  const own = useMe()?.key.id
  const now = useNow()
  const valid = keys.filter((key) => all || ["active", "replaced"].includes(stateOf(key, now)))
  const shown = valid.filter((key) => has(key, q)).reverse()
  if (shown.length === 0) {
    return (
      <Empty title={q ? `None of ${plural(valid.length, "key")} has “${q}”` : "No valid key"}>
        {!all && keys.length > valid.length && <p>Keys that ended are not looked at.</p>}
      </Empty>
    )
  }
  return (
    <div className="table-frame">
      <table className="keys">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Scopes</th>
            <th scope="col" className="wide-only">
              Begins with
            </th>
            <th scope="col" className="wide-only">
              Made
            </th>
            <th scope="col" className="wide-only">
              Ends
            </th>
            <th scope="col" className="end">
              Last used
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((key) => {
            const state = stateOf(key, now)
            return (
              <tr key={key.id} data-ended={state === "expired" || state === "revoked" || undefined}>
                <td>
                  <button type="button" className="row-link" onClick={() => open(key.id)}>
                    {key.name}
                  </button>
                  {key.id === own && <Badge tone="info">this key</Badge>}
                  {state !== "active" && <Badge tone={TONES[state]}>{state}</Badge>}
                  {key.origins.length > 0 && <p className="mute">{key.origins.join(", ")}</p>}
                </td>
                <td>{key.scopes.join(", ")}</td>
                <td className="wide-only">
                  <code>{key.prefix}…</code>
                </td>
                <td className="wide-only">
                  <When at={key.createdAt} />
                </td>
                <td className="wide-only">
                  <When at={key.revokedAt ?? key.expiresAt} none="never" />
                </td>
                <td className="end">
                  <When at={key.lastUsedAt} none="never" />
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

function has(key: ListedKey, text: string): boolean {
  const looked = [key.name, key.prefix, ...key.scopes, ...key.origins].join("\n").toLowerCase()
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => looked.includes(word))
}
