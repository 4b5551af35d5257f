/** What became one profile, what did not and why, and which values identify no person. */
import { useSearch } from "@tanstack/react-router"
import { useMay } from "../lib/me.ts"
import { useWanted } from "../people/span.tsx"
import { Announcement } from "../ui/announced.tsx"
import { Older } from "../ui/older.tsx"
import { Answered, Empty, NeedsAdmin, Page } from "../ui/parts.tsx"
import { Tabs, useTab } from "../ui/tabs.tsx"
import { BlockedValues } from "./blocked.tsx"
import "../people/people.css"
import "./identity.css"
import { MergeList } from "./merges.tsx"
import { ProfileField } from "./profile_field.tsx"
import { useMerges, useRefusals } from "./queries.ts"
import { RefusalTable } from "./refusals.tsx"
import { REASONS } from "./words.ts"

const TABS = { merges: "Merges", refusals: "Refusals", blocked: "Blocked values" }

export function IdentityPage() {
  const may = useMay("admin")
  const tab = useTab(TABS)
  return (
    <Page title="Identity" lead="Which identifiers are one person, and which are not.">
      {may ? (
        <>
          <Announcement place="identity" />
          <Tabs of={TABS} kept={["profile"]} />
          <div className="tab-body">
            {tab === "merges" && <AllMerges />}
            {tab === "refusals" && <AllRefusals />}
            {tab === "blocked" && <BlockedValues />}
          </div>
        </>
      ) : (
        <NeedsAdmin what="Merges and refusals" />
      )}
    </Page>
  )
}

function AllMerges() {
  const { profile = "" } = useSearch({ strict: false }) as { profile?: string }
  const answer = useMerges(profile, true)
  return (
    <>
      <ProfileField />
      <Answered answer={answer} lines={8}>
        {({ pages }) => {
          const merges = pages.flatMap((page) => page.merges)
          if (merges.length > 0)
            return (
              <>
                <MergeList of={merges} />
                <Older of={answer} title="Older merges" />
              </>
            )
          return profile ? (
            <Empty title="This profile was never merged" />
          ) : (
            <Empty
              title="Nothing was merged yet"
              command={`curl '${location.origin}/v1/identify' -H "Authorization: Bearer $WRITE_KEY" -H 'Content-Type: application/json' \\\n     -d '{"userId":"ada","anonymousId":"browser-7"}'`}
            >
              <p>A message that names a user and a browser, each known before, makes one profile of both:</p>
            </Empty>
          )
        }}
      </Answered>
    </>
  )
}

function AllRefusals() {
  const [{ profile = "", reason = "" }, want] = useWanted()
  const answer = useRefusals(reason, profile)
  return (
    <>
      <div className="filters">
        <ProfileField />
        <label>
          <span>reason</span>
          <select className="field" value={reason} onChange={(event) => want({ reason: event.target.value })}>
            <option value="">any</option>
            {Object.entries(REASONS).map(([code, words]) => (
              <option key={code} value={code}>
                {words}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Answered answer={answer} lines={8}>
        {({ pages }) => {
          const claims = pages.flatMap((page) => page.rejectedClaims)
          return claims.length > 0 ? (
            <>
              <RefusalTable of={claims} />
              <Older of={answer} title="Older refusals" />
            </>
          ) : (
            <Empty title={profile || reason ? "No refusal is like that" : "Nothing was refused"}>
              <p>
                A refusal is an identifier that a message names beside another, and that stays with its own profile.
              </p>
            </Empty>
          )
        }}
      </Answered>
    </>
  )
}
