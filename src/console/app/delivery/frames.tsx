/** The list of a kind that delivers, and the page of one: what destinations and syncs have in common. */
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router"
import { Plus } from "lucide-react"
import { type ComponentType, type ReactNode, Suspense } from "react"
import { useDraftsOf } from "../editor/drafts.ts"
import type { Destination, Sync } from "../lib/api.ts"
import { useSingleKey } from "../lib/keys.ts"
import { useMay, useMe } from "../lib/me.ts"
import { Announcement } from "../ui/announced.tsx"
import { Answered, NeedsAdmin, Page, Waiting } from "../ui/parts.tsx"
import type { DeliveryKind } from "./kinds.ts"
import { useAllSaved } from "./queries.ts"

interface ListProps<Kept> {
  of: DeliveryKind
  lead: string
  /** Of all that are saved, those that the filter finds. drafts: keys of those that have one */
  children: (all: Kept[], q: string, drafts: string[]) => ReactNode
}

/** All of a kind, with a filter and a button for a new one. */
export function KindList<Kept extends Destination | Sync>({ of, lead, children }: ListProps<Kept>) {
  const me = useMe()
  const may = useMay("admin")
  const answer = useAllSaved<Kept>(of)
  const { q = "" }: { q?: string } = useSearch({ strict: false })
  const navigate = useNavigate()
  const drafts = useDraftsOf(of.kind)
  if (me && !may) {
    return (
      <Page title={of.title} lead={lead}>
        <NeedsAdmin what={of.title} />
      </Page>
    )
  }
  return (
    <Page
      title={of.title}
      lead={lead}
      aside={
        <div className="page-tools">
          <input
            type="search"
            className="field filter"
            aria-label={`Filter ${of.path}`}
            placeholder="Filter   /"
            value={q}
            onChange={(event) =>
              navigate({ to: of.list, search: { q: event.target.value || undefined }, replace: true })
            }
          />
          <Link className="button primary" to={`${of.list}/new`}>
            <Plus aria-hidden="true" /> {drafts.includes("") ? "Go on with the new one" : `New ${of.kind}`}
          </Link>
        </div>
      }
    >
      <Announcement place={of.path} />
      <Answered answer={answer} lines={6}>
        {(all) => children(all, q, drafts)}
      </Answered>
    </Page>
  )
}

interface OneProps {
  of: DeliveryKind
  edit: ComponentType<{ name: string }>
  read: ComponentType<{ name: string; onEdit: () => void }>
}

/** One of a kind: read, or edited where the address says so. */
export function KindPage({ of, edit: Edit, read: Read }: OneProps) {
  const { name = "" } = useParams({ strict: false })
  const { edit }: { edit?: string } = useSearch({ strict: false })
  const me = useMe()
  const may = useMay("admin")
  const navigate = useNavigate()
  const open = () => navigate({ to: of.one, params: { name }, search: { edit: "yes" } })
  useSingleKey("e", () => may && !edit && open())
  if (me && !may) {
    return (
      <Page title={name} above={<Link to={of.list}>{of.title}</Link>}>
        <NeedsAdmin what={of.title} />
      </Page>
    )
  }
  if (!edit) return <Read name={name} onEdit={open} />
  return (
    <Suspense fallback={<Waiting lines={8} />}>
      <Edit name={name} />
    </Suspense>
  )
}
