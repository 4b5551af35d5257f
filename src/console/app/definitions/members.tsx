/** All members of a segment, however many there are: rows are made only where one looks, and loaded by their place. */
import { useMutation, useQueries } from "@tanstack/react-query"
import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import { useEffect, useState } from "react"
import type { Members, Segment } from "../lib/api.ts"
import { address, answered, ask } from "../lib/client.ts"
import { exactCount, plural } from "../lib/format.ts"
import { useRested, useSettled } from "../lib/rested.ts"
import { save } from "../lib/save.ts"
import { useSession } from "../lib/session.ts"
import { identifierOf, nameOf } from "../people/names.ts"
import { Choice } from "../ui/fields.tsx"
import { Coming, LongTable, MOST_ROWS, useLong } from "../ui/long_table.tsx"
import { Empty, Failed, When } from "../ui/parts.tsx"
import "./members.css"

const PAGE = 100
/** Pages that are only passed are not asked for. */
const REST_MS = 60

const ORDERS = [
  { value: "profileId", title: "Oldest profile" },
  { value: "entered", title: "Entered last" },
] as const
type Order = (typeof ORDERS)[number]["value"]

interface Searched {
  q?: string
  order?: string
  row?: string
}

export default function MembersOfAll({ of }: { of: Segment }) {
  const { q = "", order: given, row = "0" } = useSearch({ strict: false }) as Searched
  const order: Order = given === "entered" ? given : "profileId"
  const asked = useRested(q.trim())
  const navigate = useNavigate()

  function look(change: Searched): void {
    const search = (before: object) => ({ ...before, ...change })
    navigate({ to: ".", search: search as never, replace: true, resetScroll: false })
  }

  return (
    <>
      <div className="members-tools">
        <input
          type="search"
          className="field filter"
          aria-label="Find members"
          placeholder="How an identifier begins   /"
          value={q}
          onChange={({ target }) => look({ q: target.value || undefined, row: undefined })}
        />
        <Choice
          label="Order of members"
          options={ORDERS}
          value={order}
          onChange={(next) => look({ order: next === "profileId" ? undefined : next, row: undefined })}
        />
        <Download of={of} />
      </div>
      <List
        key={`${asked} ${order}`}
        of={of}
        q={asked}
        order={order}
        first={Number.parseInt(row, 10) || 0}
        onPlace={(place) => look({ row: place ? String(place) : undefined })}
      />
    </>
  )
}

/** A browser sends no key with a link, so the file is fetched and then handed over. */
function Download({ of }: { of: Segment }) {
  const download = useMutation({
    mutationFn: async () => {
      const answer = await answered(address(["export", "segment", `${of.key}.csv`]))
      save(await answer.blob(), `${of.key}.csv`)
    },
  })
  return (
    <>
      <button type="button" className="button" disabled={download.isPending} onClick={() => download.mutate()}>
        {download.isPending ? "Downloading…" : "Download CSV"}
      </button>
      <Failed problem={download.error} />
    </>
  )
}

interface ListProps {
  of: Segment
  q: string
  order: Order
  /** The row that is at the top first. */
  first: number
  onPlace: (at: number) => void
}

function List({ of, q, order, first, onPlace }: ListProps) {
  const { key } = useSession()
  const [found, setFound] = useState<number>()
  // The segment itself says how many there are, every few seconds: then no page has to count them.
  const own = q === "" ? (of.members ?? undefined) : undefined
  const known = own ?? found
  const total = known ?? PAGE
  const long = useLong({ rows: total, first, onPlace })
  const wanted = useSettled(pagesOf(long.items.map(({ index }) => index)).join(" "), REST_MS)
  const pages = wanted === "" ? [0] : wanted.split(" ").map(Number)
  const place = ["definitions", "segments", of.key, "members", of.version, of.status]
  const answers = useQueries({
    queries: pages.map((page) => ({
      queryKey: [...place, order, q, page],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        ask<Members>(
          address(["admin", "segments", of.key, "members"], {
            offset: page * PAGE,
            limit: PAGE,
            order: order === "profileId" ? undefined : order,
            q: q || undefined,
            total: own === undefined ? undefined : "false",
          }),
          { signal },
        ),
      enabled: key !== "",
      staleTime: 30_000,
    })),
  })
  const loaded = new Map(pages.map((page, at) => [page, answers[at]] as const))
  const newest = answers.reduce<(typeof answers)[number] | undefined>(
    (best, one) => (one.data && one.dataUpdatedAt >= (best?.dataUpdatedAt ?? 0) ? one : best),
    undefined,
  )
  const counted = newest?.data?.total
  useEffect(() => {
    if (counted !== undefined && counted !== null) setFound(counted)
  }, [counted])

  const failed = answers.find(({ error }) => error)
  if (known === 0) {
    return q ? (
      <Empty title={`No member is found by “${q}”`}>
        <p>The search looks at how identifiers begin, capitals included.</p>
      </Empty>
    ) : (
      <p className="mute">It has no members now.</p>
    )
  }
  return (
    <>
      <p className="mute small" role="status">
        {known !== undefined && (
          <>
            {plural(known, "member")}
            {q && " found"}, as of <When at={newest?.data?.asOf ?? null} />
            {known > MOST_ROWS && `. The first ${exactCount(MOST_ROWS)} are listed; the search finds the others.`}
          </>
        )}
      </p>
      <Failed problem={failed?.error ?? null} retry={() => failed?.refetch()} />
      <LongTable
        of={long}
        label="All members"
        total={total}
        className="members"
        head={
          <>
            <th scope="col" className="members-place">
              No.
            </th>
            <th scope="col">Name</th>
            <th scope="col" className="wide-only">
              Identifier
            </th>
            <th scope="col" className="end">
              Entered
            </th>
          </>
        }
      >
        {(index) => <Row index={index} member={loaded.get(Math.floor(index / PAGE))?.data?.members[index % PAGE]} />}
      </LongTable>
    </>
  )
}

function Row({ index, member }: { index: number; member: Members["members"][number] | undefined }) {
  return (
    <>
      <td className="members-place mute">{exactCount(index + 1)}</td>
      {member ? (
        <>
          <td>
            <Link className="row-link" to="/users/$id" params={{ id: member.id }} search={{ by: "profileId" }}>
              {nameOf(member)}
            </Link>
          </td>
          <td className="wide-only mute">{identifierOf(member)}</td>
          <td className="end">
            <When at={member.enteredAt} />
          </td>
        </>
      ) : (
        <td>
          <Coming />
        </td>
      )}
    </>
  )
}

/** The pages of these rows, each once. */
function pagesOf(rows: number[]): number[] {
  return [...new Set(rows.map((row) => Math.floor(row / PAGE)))]
}
