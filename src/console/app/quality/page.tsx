/** What was refused, and what was accepted and could not be stored. */
import { useNavigate, useSearch } from "@tanstack/react-router"
import "./quality.css"
import { useMay, useMe } from "../lib/me.ts"
import { Choice } from "../ui/fields.tsx"
import { NeedsAdmin, Page } from "../ui/parts.tsx"
import { DeadLetters } from "./letters.tsx"
import type { Look } from "./look.ts"
import { useLetterCounts } from "./queries.ts"
import { RejectionsView } from "./rejections.tsx"

/** All codes that a dead letter can have: docs/reference/rejections.md. */
export const LETTER_CODES = ["UNSTORABLE", "INTERNAL"] as const

export function QualityPage() {
  const me = useMe()
  const may = useMay("admin")
  const search: Look = useSearch({ strict: false })
  const navigate = useNavigate()
  const counts = useLetterCounts(LETTER_CODES, may)
  const look = (change: Look) => navigate({ to: "/quality", search: { ...search, ...change }, replace: true })
  if (me && !may) {
    return (
      <Page title="Quality" lead="What was refused, and what could not be stored.">
        <NeedsAdmin what="Rejections and dead letters" />
      </Page>
    )
  }
  const letters = counts.data?.reduce((sum, { n }) => sum + n, 0)
  const dead = search.view === "dead-letters"
  return (
    <Page
      title="Quality"
      lead={
        dead
          ? "Messages that were accepted and could not be stored. They are kept for 90 days."
          : "Messages that were refused, and why. Their senders were told the same."
      }
      aside={
        <Choice
          label="What is listed"
          options={[
            { value: "rejections", title: "Rejections" },
            { value: "dead-letters", title: letters ? `Dead letters ${letters}` : "Dead letters" },
          ]}
          value={dead ? "dead-letters" : "rejections"}
          onChange={(view) =>
            look({ view: view === "rejections" ? undefined : view, code: undefined, key: undefined, letter: undefined })
          }
        />
      }
    >
      {dead ? (
        <DeadLetters counts={counts} search={search} look={look} />
      ) : (
        <RejectionsView search={search} look={look} />
      )}
    </Page>
  )
}
