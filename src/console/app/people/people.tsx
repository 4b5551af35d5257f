import { useQueryClient } from "@tanstack/react-query"
import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import { useEffect, useState } from "react"
import type { ProfileSummary } from "../lib/api.ts"
import { plural } from "../lib/format.ts"
import { useRested } from "../lib/rested.ts"
import { LongTable, useLong } from "../ui/long_table.tsx"
import { Answered, Empty, Failed, Page, When } from "../ui/parts.tsx"
import { identifierOf, nameOf } from "./names.ts"
import "./people.css"
import { type FoundPages, keyOfPeople, PEOPLE_AT_ONCE, usePeople } from "./queries.ts"

/** So many rows before the last one that is known, the following ones are asked for. */
const EARLY = 40

interface Searched {
  q?: string
  after?: string
  row?: string
}

export function PeoplePage() {
  const { q = "", after = "", row = "0" } = useSearch({ strict: false }) as Searched
  const navigate = useNavigate()
  const asked = useRested(q.trim())
  /** Begun anew: the address still has the old place at that moment. */
  const [anew, setAnew] = useState(false)

  function look(change: Searched): void {
    navigate({ to: "/users", search: { q: q || undefined, ...change }, replace: true, resetScroll: false })
  }

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
          onChange={(event) => look({ q: event.target.value || undefined })}
        />
      }
    >
      <People
        key={`${asked} ${anew}`}
        text={asked}
        after={anew || asked !== q.trim() ? "" : after}
        row={anew ? 0 : Number.parseInt(row, 10) || 0}
        onPlace={(place) => asked === q.trim() && look(place)}
        onBegin={() => {
          setAnew(true)
          look({})
        }}
      />
    </Page>
  )
}

interface PeopleProps {
  text: string
  /** Where the list begins, and which of its rows is at the top first. */
  after: string
  row: number
  onPlace: (place: { after?: string; row?: string }) => void
  /** Begins with the first one anew. */
  onBegin: () => void
}

/** The list. A place in it is the page that it is on and the row of that page: what came before need not be loaded. */
function People({ text, after, row, onPlace, onBegin }: PeopleProps) {
  const queries = useQueryClient()
  const [begin] = useState(() => beginningOf(queries.getQueryData(keyOfPeople(text, "")), after, row))
  const found = usePeople(text, begin.after)
  const { people, starts } = peopleOf(found.data)
  const rows = people.length + (found.hasNextPage ? PEOPLE_AT_ONCE : 0)
  const long = useLong({
    rows,
    first: begin.row,
    onPlace: (at) => {
      const page = Math.max(
        0,
        starts.findLastIndex((start) => start <= at),
      )
      const after = found.data?.pageParams[page]
      const row = at - (starts[page] ?? 0)
      onPlace({ after: after || undefined, row: row ? String(row) : undefined })
    },
  })
  const last = long.items.at(-1)?.index ?? 0
  const { hasNextPage, isFetching, error, fetchNextPage } = found
  useEffect(() => {
    if (hasNextPage && !isFetching && !error && last >= people.length - EARLY) fetchNextPage()
  }, [hasNextPage, isFetching, error, fetchNextPage, last, people.length])

  return (
    <Answered answer={found} lines={12}>
      {() =>
        people.length || found.hasNextPage ? (
          <>
            {begin.after && (
              <p className="notice">
                <span>The list begins further down, where you were.</span>
                <button type="button" className="button small" onClick={onBegin}>
                  Begin with the {text ? "first" : "newest"}
                </button>
              </p>
            )}
            <LongTable
              of={long}
              label="All people"
              total={found.hasNextPage || begin.after ? undefined : people.length}
              className="people"
              head={
                <>
                  <th scope="col">Name</th>
                  <th scope="col" className="wide-only">
                    Identifier
                  </th>
                  <th scope="col" className="end">
                    Seen
                  </th>
                </>
              }
            >
              {(index) => people[index] && <Row person={people[index]} />}
            </LongTable>
            <p className="mute small" role="status">
              {found.hasNextPage
                ? `${plural(people.length, "person", "people")} so far; more come as you scroll`
                : begin.after || people.length < PEOPLE_AT_ONCE
                  ? ""
                  : `${plural(people.length, "person", "people")} in all`}
            </p>
            <Failed problem={found.isFetchNextPageError ? found.error : null} retry={() => found.fetchNextPage()} />
          </>
        ) : text ? (
          <Empty title={`No person is found by “${text}”`}>
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
  )
}

function Row({ person }: { person: ProfileSummary }) {
  return (
    <>
      <td>
        <Link className="row-link" to="/users/$id" params={{ id: person.id }} search={{ by: "profileId" }}>
          {nameOf(person)}
        </Link>
      </td>
      <td className="wide-only mute">{identifierOf(person)}</td>
      <td className="end">
        <When at={person.lastSeen} />
      </td>
    </>
  )
}

/** A list that was loaded from its first row down to the place is still there when one comes back. */
function beginningOf(loaded: FoundPages | undefined, after: string, row: number): { after: string; row: number } {
  const page = after && loaded ? loaded.pageParams.indexOf(after) : -1
  return page < 0 ? { after, row } : { after: "", row: (peopleOf(loaded).starts[page] ?? 0) + row }
}

/** All that are loaded, each once, and the row at which each page begins. */
function peopleOf(loaded: FoundPages | undefined): { people: ProfileSummary[]; starts: number[] } {
  const found = new Map<string, ProfileSummary>()
  const starts: number[] = []
  for (const { people } of loaded?.pages ?? []) {
    starts.push(found.size)
    for (const person of people) if (!found.has(person.id)) found.set(person.id, person)
  }
  return { people: [...found.values()], starts }
}
