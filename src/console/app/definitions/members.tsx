/** All members of a segment, however many there are: rows are made only where one looks, and loaded by their place. */
import { useMutation, useQueries } from "@tanstack/react-query"
import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import { useVirtualizer } from "@tanstack/react-virtual"
import { type KeyboardEvent, useEffect, useRef, useState } from "react"
import type { Members, Segment } from "../lib/api.ts"
import { address, answered, ask } from "../lib/client.ts"
import { exactCount, plural } from "../lib/format.ts"
import { useRested } from "../lib/rested.ts"
import { save } from "../lib/save.ts"
import { useSession } from "../lib/session.ts"
import { identifierOf, nameOf } from "../people/names.ts"
import { Choice } from "../ui/fields.tsx"
import { Empty, Failed, When } from "../ui/parts.tsx"
import "./members.css"

const PAGE = 100
const ROW_PIXELS = 36
/** Rows beyond what is seen, at either end. */
const BEYOND = 8
/** Browsers draw nothing that is much higher than these rows. */
const MOST_ROWS = 800_000
/** Pages that are only passed are not asked for. */
const REST_MS = 60
const KEEP_PLACE_MS = 300

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
  const frame = useRef<HTMLDivElement>(null)
  const [known, setKnown] = useState<number>()
  const [active, setActive] = useState<number>()
  const total = known ?? of.members ?? PAGE
  const rows = Math.min(total, MOST_ROWS)
  const list = useVirtualizer({
    count: rows,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW_PIXELS,
    overscan: BEYOND,
    initialOffset: Math.min(first, rows) * ROW_PIXELS,
  })
  const items = list.getVirtualItems()
  const wanted = useRested(pagesOf(items.map(({ index }) => index)).join(" "), REST_MS)
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
          }),
          { signal },
        ),
      enabled: key !== "",
      staleTime: 30_000,
    })),
  })
  const found = new Map(pages.map((page, at) => [page, answers[at]] as const))
  const newest = answers.reduce<(typeof answers)[number] | undefined>(
    (best, one) => (one.data && one.dataUpdatedAt >= (best?.dataUpdatedAt ?? 0) ? one : best),
    undefined,
  )
  const counted = newest?.data?.total
  useEffect(() => {
    if (counted !== undefined && counted !== null) setKnown(counted)
  }, [counted])

  const top = items.find(({ end }) => end > (list.scrollOffset ?? 0))?.index ?? 0
  const rested = useRested(top, KEEP_PLACE_MS)
  const told = useRef(first)
  useEffect(() => {
    if (rested === told.current) return
    told.current = rested
    onPlace(rested)
  }, [rested, onPlace])

  /** The row that the keyboard went to has the focus as soon as it is there. */
  const waits = useRef<number>(undefined)
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows come with scrolling and with answers
  useEffect(() => {
    if (waits.current === undefined) return
    const link = frame.current?.querySelector<HTMLElement>(`[data-index="${waits.current}"] a`)
    if (!link) return
    link.focus({ preventScroll: true })
    waits.current = undefined
  }, [active, items, newest])

  function onKey(event: KeyboardEvent): void {
    const focused = Number((event.target as HTMLElement).closest<HTMLElement>("[data-index]")?.dataset.index ?? top)
    const seen = Math.max(1, Math.floor((frame.current?.clientHeight ?? ROW_PIXELS) / ROW_PIXELS) - 1)
    const steps: Record<string, number> = {
      ArrowDown: focused + 1,
      ArrowUp: focused - 1,
      PageDown: focused + seen,
      PageUp: focused - seen,
      Home: 0,
      End: rows - 1,
    }
    const to = steps[event.key]
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey || rows === 0) return
    event.preventDefault()
    const at = Math.max(0, Math.min(rows - 1, to))
    waits.current = at
    setActive(at)
    list.scrollToIndex(at)
  }

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
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
      <section className="members-frame" ref={frame} tabIndex={0} onKeyDown={onKey} aria-label="All members">
        <table className="members" aria-rowcount={total + 1}>
          <thead>
            <tr aria-rowindex={1}>
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
            </tr>
          </thead>
          <tbody>
            <Space rows={items[0]?.index ?? 0} />
            {items.map(({ index }) => (
              <Row
                key={index}
                index={index}
                member={found.get(Math.floor(index / PAGE))?.data?.members[index % PAGE]}
              />
            ))}
            <Space rows={rows - 1 - (items.at(-1)?.index ?? -1)} />
          </tbody>
        </table>
      </section>
    </>
  )
}

/** The room of rows that are not made. */
function Space({ rows }: { rows: number }) {
  if (rows <= 0) return null
  return (
    <tr className="members-space">
      <td style={{ height: rows * ROW_PIXELS }} />
    </tr>
  )
}

function Row({ index, member }: { index: number; member: Members["members"][number] | undefined }) {
  return (
    <tr aria-rowindex={index + 2} data-index={index}>
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
          <span className="members-waiting">
            <span className="hidden">Loading</span>
          </span>
        </td>
      )}
    </tr>
  )
}

/** The pages of these rows, each once. */
function pagesOf(rows: number[]): number[] {
  return [...new Set(rows.map((row) => Math.floor(row / PAGE)))]
}
