/** What was erased, with receipts, and whose messages are rejected. */
import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import { useState } from "react"
import { useMay } from "../lib/me.ts"
import { Announcement } from "../ui/announced.tsx"
import { Older } from "../ui/older.tsx"
import { Answered, Badge, Empty, NeedsAdmin, Page, When } from "../ui/parts.tsx"
import { Table } from "../ui/table.tsx"
import { Tabs, useTab } from "../ui/tabs.tsx"
import "../identity/identity.css"
import "../people/people.css"
import { EraseMany, SuppressMany } from "./many.tsx"
import { useErasures, useSuppressions } from "./queries.ts"
import { Receipt } from "./receipt.tsx"

const TABS = { receipts: "Receipts", suppressions: "Suppressions" }
type Doing = "erase" | "suppress" | "release"

export function PrivacyPage() {
  const may = useMay("admin")
  const tab = useTab(TABS)
  const [doing, setDoing] = useState<Doing>()
  const close = () => setDoing(undefined)
  return (
    <Page
      title="Privacy"
      lead="Who was erased, and whose messages are rejected."
      aside={
        may && (
          <div className="tools">
            {tab === "suppressions" && (
              <button type="button" className="button" onClick={() => setDoing("release")}>
                Accept again…
              </button>
            )}
            <button type="button" className="button" onClick={() => setDoing("suppress")}>
              Reject messages…
            </button>
            <button type="button" className="button" onClick={() => setDoing("erase")}>
              Erase…
            </button>
          </div>
        )
      }
    >
      {may ? (
        <>
          <Announcement place="privacy" />
          <Tabs of={TABS} />
          <div className="tab-body">{tab === "receipts" ? <Receipts /> : <AllSuppressions />}</div>
        </>
      ) : (
        <NeedsAdmin what="Receipts and suppressions" />
      )}
      {doing === "erase" && <EraseMany onClose={close} />}
      {(doing === "suppress" || doing === "release") && <SuppressMany release={doing === "release"} onClose={close} />}
    </Page>
  )
}

function Receipts() {
  const { receipt } = useSearch({ strict: false }) as { receipt?: string }
  const navigate = useNavigate()
  const answer = useErasures()
  const shut = () => void navigate({ to: "/privacy", search: {} as never, resetScroll: false })
  return (
    <>
      {receipt && <Receipt id={receipt} onClose={shut} />}
      <Answered answer={answer} lines={6}>
        {({ pages }) => {
          const erasures = pages.flatMap((page) => page.erasures)
          return erasures.length === 0 ? (
            <Empty
              title="Nothing was erased yet"
              command={`curl '${location.origin}/v1/admin/erasures' -H "Authorization: Bearer $ADMIN_KEY" \\\n     -d '{"profiles":["ada"],"dryRun":true}'`}
            >
              <p>Each erasure leaves a receipt here, without personal data. This counts what an erasure would take:</p>
            </Empty>
          ) : (
            <>
              <Table
                heads={["When", "What", "Profiles", "Identifiers", "Note", "By"]}
                wide={[3, 5]}
                ends={[2, 3]}
                rows={erasures.map((one) => [
                  <Link
                    key="when"
                    className="row-link"
                    to="/privacy"
                    search={{ receipt: one.id ?? undefined } as never}
                    resetScroll={false}
                  >
                    <When at={one.erasedAt} />
                  </Link>,
                  <Badge key="kind">{one.kind === "anonymization" ? "anonymised" : "erased"}</Badge>,
                  one.profiles,
                  one.identifiers,
                  <span key="note" className="break">
                    {one.note}
                  </span>,
                  <span key="by" className="mute break">
                    {one.erasedBy}
                  </span>,
                ])}
              />
              <Older of={answer} title="Older receipts" />
            </>
          )
        }}
      </Answered>
    </>
  )
}

function AllSuppressions() {
  const answer = useSuppressions()
  return (
    <Answered answer={answer} lines={6}>
      {({ pages }) => {
        const found = pages.flatMap((page) => page.suppressions)
        return found.length === 0 ? (
          <Empty
            title="No messages are rejected"
            command={`curl '${location.origin}/v1/admin/suppressions' -H "Authorization: Bearer $ADMIN_KEY" \\\n     -d '{"identifiers":[{"kind":"userId","value":"ada"}],"dryRun":true}'`}
          >
            <p>
              A suppressed identifier stays away: messages that name it are rejected, and nothing of them is stored.
            </p>
          </Empty>
        ) : (
          <>
            <p className="mute blocked-note">
              The list has a keyed hash of each identifier, not the identifier. To accept messages again, name it.
            </p>
            <Table
              heads={["Since", "Kind", "Note", "By", "Hash"]}
              wide={[3, 4]}
              ends={[]}
              rows={found.map((one) => [
                <When key="at" at={one.createdAt} />,
                one.kind,
                <span key="note" className="break">
                  {one.note}
                </span>,
                <span key="by" className="mute break">
                  {one.createdBy}
                </span>,
                <code key="hash" title={one.digest}>
                  {one.digest.slice(0, 12)}…
                </code>,
              ])}
            />
            <Older of={answer} title="Older suppressions" />
          </>
        )
      }}
    </Answered>
  )
}
