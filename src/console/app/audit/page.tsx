/** One log of what people and their keys changed. */
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query"
import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import "./audit.css"
import type { ReactNode } from "react"
import type { AuditEntry, AuditLog } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useMay, useMe } from "../lib/me.ts"
import { Older } from "../ui/older.tsx"
import { Answered, Empty, NeedsAdmin, Page, When } from "../ui/parts.tsx"
import { bound, deed, KINDS, subject } from "./entries.ts"

const PAGE = 50

interface Look {
  kind?: string
  author?: string
  from?: string
  to?: string
}

function useAudit(look: Look, enabled: boolean) {
  const { kind, author } = look
  const span = { from: bound(look.from), to: bound(look.to, true) }
  return useInfiniteQuery({
    queryKey: ["admin", "audit", kind, author, span.from, span.to],
    queryFn: ({ pageParam, signal }) =>
      ask<AuditLog>(
        address(["admin", "audit"], { kind, author, ...span, cursor: pageParam || undefined, limit: PAGE }),
        {
          signal,
        },
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    enabled,
  })
}

export function AuditPage() {
  const me = useMe()
  const may = useMay("admin")
  const search: Look = useSearch({ strict: false })
  const navigate = useNavigate()
  const answer = useAudit(search, may)
  const look = (change: Look) => navigate({ to: "/audit", search: { ...search, ...change }, replace: true })
  const filtered = Boolean(search.kind || search.author || search.from || search.to)
  const lead = "What people and their keys changed, newest first."
  if (me && !may) {
    return (
      <Page title="Audit" lead={lead}>
        <NeedsAdmin what="Audit entries" />
      </Page>
    )
  }
  return (
    <Page title="Audit" lead={lead}>
      <search className="tools audit-tools">
        <select
          className="field"
          aria-label="Kind of change"
          value={search.kind ?? ""}
          onChange={(event) => look({ kind: event.target.value || undefined })}
        >
          <option value="">All changes</option>
          {KINDS.map(({ kind, title }) => (
            <option key={kind} value={kind}>
              {title}
            </option>
          ))}
        </select>
        <input
          type="search"
          className="field filter"
          aria-label="Author"
          placeholder="Author, the name of a key   /"
          value={search.author ?? ""}
          onChange={(event) => look({ author: event.target.value || undefined })}
        />
        <label className="day">
          <span>From</span>
          <input
            type="date"
            className="field"
            value={search.from ?? ""}
            max={search.to}
            onChange={(event) => look({ from: event.target.value || undefined })}
          />
        </label>
        <label className="day">
          <span>to</span>
          <input
            type="date"
            className="field"
            value={search.to ?? ""}
            min={search.from}
            onChange={(event) => look({ to: event.target.value || undefined })}
          />
        </label>
        {filtered && (
          <button
            type="button"
            className="button"
            onClick={() => look({ kind: undefined, author: undefined, from: undefined, to: undefined })}
          >
            Clear
          </button>
        )}
      </search>
      <Answered answer={answer} lines={10}>
        {({ pages }) => {
          const entries = pages.flatMap((page) => page.entries)
          if (entries.length === 0) {
            return (
              <Empty title={filtered ? "No change is like that" : "Nothing was changed yet"}>
                {search.author && <p>An author is the whole name of a key, or “command line”.</p>}
              </Empty>
            )
          }
          return (
            <>
              <Rows entries={entries} onAuthor={(author) => look({ author })} />
              <Older of={answer} title="Older changes" />
            </>
          )
        }}
      </Answered>
    </Page>
  )
}

function Rows({ entries, onAuthor }: { entries: AuditEntry[]; onAuthor: (author: string) => void }) {
  return (
    <div className="table-frame">
      <table className="audit">
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Who</th>
            <th scope="col" className="end">
              When
            </th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry, n) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: one change may be in the log with the same words twice
            <tr key={`${entry.at} ${entry.kind} ${entry.id} ${entry.action} ${n}`}>
              <td>
                {deed(entry)} <b>{linked(entry)}</b>
                {entry.note && <p className="mute">{entry.note}</p>}
              </td>
              <td>
                {entry.author === null ? (
                  <span className="mute">not recorded</span>
                ) : (
                  <button
                    type="button"
                    className="row-link author"
                    title="Only changes by this author"
                    onClick={() => onAuthor(entry.author ?? "")}
                  >
                    {entry.author}
                  </button>
                )}
              </td>
              <td className="end">
                <When at={entry.at} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** The subject, with a link to where it is seen. */
function linked(entry: AuditEntry): ReactNode {
  const text = subject(entry)
  switch (entry.kind) {
    case "revision":
      return (
        <Link to="/changes/$revision" params={{ revision: entry.id }}>
          {text}
        </Link>
      )
    case "flag":
      return (
        <Link to="/flags/$name" params={{ name: entry.name }}>
          {text}
        </Link>
      )
    case "plan":
      return (
        <Link to="/registry/$name" params={{ name: entry.name }}>
          {text}
        </Link>
      )
    case "destination":
      return (
        <Link to="/destinations/$name" params={{ name: entry.name }} search={{}}>
          {text}
        </Link>
      )
    case "sync":
      return (
        <Link to="/syncs/$name" params={{ name: entry.name }} search={{}}>
          {text}
        </Link>
      )
    case "key":
      return (
        <Link to="/keys" search={{ key: entry.id, show: "all" }}>
          {text}
        </Link>
      )
    case "merge":
      return (
        <Link to="/users/$id" params={{ id: entry.name }} search={{ by: "profileId" }}>
          {text}
        </Link>
      )
    case "import":
      return (
        <Link to="/imports" search={{ import: entry.id }}>
          {text}
        </Link>
      )
    default:
      return text
  }
}
