/** All revisions of the definitions: what each changed, who made it, and why. */
import { Link } from "@tanstack/react-router"
import "./changes.css"
import type { Revisions } from "../lib/api.ts"
import { plural } from "../lib/format.ts"
import { Older } from "../ui/older.tsx"
import { Answered, Badge, Empty, Page, When } from "../ui/parts.tsx"
import { Table } from "../ui/table.tsx"
import { useRevisions } from "./queries.ts"

type Listed = Revisions["revisions"][number]

const SHOWN = 4
const VERBS: Record<string, string> = { create: "created", update: "changed", rename: "renamed", delete: "deleted" }

export function ChangesPage() {
  const answer = useRevisions()
  const found = answer.data?.pages.flatMap(({ revisions }) => revisions)
  return (
    <Page title="Changes" lead="Every revision of traits, segments and flags. Any of them can be restored.">
      <Answered answer={{ ...answer, data: found }} lines={12}>
        {(revisions) =>
          revisions.length === 0 ? (
            <Empty title="Nothing was published yet">
              <p>
                The first trait, segment or flag makes the first revision. <Link to="/new/segment">Make a segment</Link>
              </p>
            </Empty>
          ) : (
            <>
              <Table
                heads={["Revision", "What it changed", "By", "Published"]}
                ends={[3]}
                wide={[2]}
                rows={revisions.map((revision) => [
                  <div key="revision" className="revision-name">
                    <Link className="row-link" to="/changes/$revision" params={{ revision: String(revision.revision) }}>
                      {revision.revision}
                    </Link>
                    {revision.liveAt === null && <Badge tone="warn">not live</Badge>}
                  </div>,
                  <What key="what" of={revision} />,
                  <span key="by" className="break">
                    {revision.author}
                  </span>,
                  <When key="published" at={revision.publishedAt} />,
                ])}
              />
              <Older of={answer} title="Show more" />
            </>
          )
        }
      </Answered>
    </Page>
  )
}

function What({ of }: { of: Listed }) {
  return (
    <div className="revision-what">
      {of.note && <p className="revision-note">{of.note}</p>}
      <p className={of.note ? "mute" : undefined}>{inWords(of)}</p>
    </div>
  )
}

/** `created segment regulars, trait opens; deleted flag thanks`. */
function inWords({ changed, more }: Listed): string {
  if (changed.length === 0) return "nothing"
  const shown = changed.slice(0, SHOWN)
  const groups = Object.entries(VERBS).flatMap(([action, verb]) => {
    const names = shown.filter((one) => one.action === action).map(({ kind, key }) => `${kind} ${key}`)
    return names.length ? [`${verb} ${names.join(", ")}`] : []
  })
  const others = changed.length - shown.length + more
  return groups.join("; ") + (others > 0 ? ` and ${plural(others, "other")}` : "")
}
