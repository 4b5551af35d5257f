import { useNavigate, useSearch } from "@tanstack/react-router"
import { useRested } from "../lib/rested.ts"
import { Answered, Empty, Page } from "../ui/parts.tsx"
import { useFound } from "./queries.ts"
import { PeopleTable } from "./table.tsx"

export function PeoplePage() {
  const { q = "" } = useSearch({ strict: false })
  const navigate = useNavigate()
  const asked = useRested(q.trim())
  const answer = useFound(asked)
  return (
    <Page
      title="People"
      lead={asked ? "Whose identifier or name begins so." : "The newest profiles first."}
      aside={
        <input
          type="search"
          className="field filter"
          aria-label="Find people"
          placeholder="Identifier or name   /"
          value={q}
          onChange={(event) =>
            navigate({ to: "/users", search: { q: event.target.value || undefined }, replace: true })
          }
        />
      }
    >
      <Answered answer={answer} lines={12}>
        {(people) =>
          people.length ? (
            <PeopleTable people={people} last={{ title: "Seen", at: ({ lastSeen }) => lastSeen }} />
          ) : asked ? (
            <Empty title={`Nobody is found by “${asked}”`}>
              <p>The search looks at how identifiers and names begin, capitals included.</p>
            </Empty>
          ) : (
            <Empty
              title="No people yet"
              command={`curl '${location.origin}/v1/track' -H "Authorization: Bearer $WRITE_KEY" -H 'Content-Type: application/json' \\\n     -d '{"userId":"ada","event":"app_open"}'`}
            >
              <p>The first event makes the first person:</p>
            </Empty>
          )
        }
      </Answered>
    </Page>
  )
}
