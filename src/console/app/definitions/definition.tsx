import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router"
import { lazy, Suspense } from "react"
import type { Edited, EditedKind } from "../editor/fields.ts"
import { Manage } from "../editor/lifecycle.tsx"
import { PublishedNotice } from "../editor/published.tsx"
import type { Segment } from "../lib/api.ts"
import { count, exactCount, plural } from "../lib/format.ts"
import { useSingleKey } from "../lib/keys.ts"
import { useMay } from "../lib/me.ts"
import { PeopleTable } from "../people/table.tsx"
import { Answered, Badge, Code, Page, Panel, Waiting } from "../ui/parts.tsx"
import { Tabs, useTab } from "../ui/tabs.tsx"
import { ImpactOf, InWords } from "./facts.tsx"
import { sourceOf, WORDS } from "./kinds.ts"
import { useEdited, useMembers } from "./queries.ts"
import { State } from "./state.tsx"
import { VersionsOf } from "./versions.tsx"

const AllMembers = lazy(() => import("./members.tsx"))
const HistoryOf = lazy(() => import("./history.tsx"))
const ValuesOf = lazy(() => import("./values.tsx"))
const EditDefinition = lazy(async () => ({ default: (await import("../editor/page.tsx")).EditDefinition }))

export function TraitPage() {
  return <EditablePage kind="traits" />
}

export function SegmentPage() {
  return <EditablePage kind="segments" />
}

/** The page of a definition, or its editor: `e` opens it, if the key may change definitions. */
function EditablePage({ kind }: { kind: EditedKind }) {
  const { name = "" } = useParams({ strict: false })
  const { edit } = useSearch({ strict: false }) as { edit?: string }
  const may = useMay("admin")
  const navigate = useNavigate()
  const open = () => navigate({ to: `/${kind}/$name`, params: { name }, search: { edit: "yes" } })
  useSingleKey("e", () => may && !edit && open())
  if (!(may && edit)) return <DefinitionPage kind={kind} name={name} onEdit={may ? open : undefined} />
  return (
    <Suspense fallback={<Waiting lines={8} />}>
      <EditDefinition kind={kind} name={name} />
    </Suspense>
  )
}

function DefinitionPage({ kind, name, onEdit }: { kind: EditedKind; name: string; onEdit?: () => void }) {
  const answer = useEdited(kind, name)
  const one = answer.data
  return (
    <Page
      title={name}
      above={<Link to={`/${kind}`}>{WORDS[kind].title}</Link>}
      lead={one?.description}
      aside={
        one && (
          <p className="facts">
            <State of={one} />
            {"members" in one && one.members !== null && (
              <span>
                <b>{count(one.members)}</b> {one.members === 1 ? "member" : "members"}
              </span>
            )}
            {"expression" in one && <Badge>{one.type === "dyn" ? "any type" : one.type}</Badge>}
            <span className="mute">version {one.version}</span>
            {onEdit && kind === "segments" && (
              <Link className="button" to="/new/flag" search={{ when: `segments.${name}` }}>
                Use in a flag
              </Link>
            )}
            {onEdit && (
              <button type="button" className="button" onClick={onEdit}>
                Edit <kbd>E</kbd>
              </button>
            )}
          </p>
        )
      }
    >
      <PublishedNotice kind={WORDS[kind].one} name={name} live={one} />
      {kind === "segments" && <Tabs of={TABS} />}
      <Answered answer={answer} lines={8}>
        {(definition) => <Shown kind={kind} of={definition} may={onEdit !== undefined} />}
      </Answered>
    </Page>
  )
}

/** What of a segment is looked at; traits have their definition only. */
const TABS = { definition: "Definition", members: "Members", history: "History" }

function Shown({ kind, of, may }: { kind: EditedKind; of: Edited; may: boolean }) {
  const tab = useTab(TABS)
  if (!("members" in of) || tab === "definition") return <Content kind={kind} of={of} may={may} />
  return (
    <Suspense fallback={<Waiting lines={10} />}>
      {tab === "members" ? <AllMembers of={of} /> : <HistoryOf of={of} />}
    </Suspense>
  )
}

function Content({ kind, of, may }: { kind: EditedKind; of: Edited; may: boolean }) {
  return (
    <div className="columns">
      <div className="main-column">
        <Expression of={of} />
        <InWords kind={kind} of={of} />
        {"members" in of && <MembersOf of={of} />}
        {"expression" in of && (
          <Suspense fallback={<Waiting lines={6} />}>
            <ValuesOf of={of} />
          </Suspense>
        )}
      </div>
      <div className="side-column">
        <ImpactOf kind={kind} name={of.key} />
        <VersionsOf kind={kind} name={of.key} />
        {may && <Manage kind={kind} of={of} />}
      </div>
    </div>
  )
}

function Expression({ of }: { of: Edited }) {
  if ("static" in of && of.static) {
    return (
      <Panel title="List">
        <p className="mute">
          Its members are listed one by one, not found by a rule. The list has {plural(of.listed ?? 0, "identifier")}.
        </p>
      </Panel>
    )
  }
  return (
    <Panel title={"expression" in of ? "Expression" : "Rule"}>
      <Code source={sourceOf(of)} />
    </Panel>
  )
}

function MembersOf({ of }: { of: Segment }) {
  const answer = useMembers(of)
  return (
    <Panel title="Members" aside={of.members !== null && <span className="mute">{count(of.members)} now</span>}>
      <Answered answer={answer} lines={6}>
        {({ members }) =>
          members.length ? (
            <>
              <PeopleTable people={members} last={{ title: "Entered", at: ({ enteredAt }) => enteredAt }} />
              {of.members !== null && of.members > members.length && (
                <p>
                  <Link to="." search={{ tab: "members" } as never}>
                    All {exactCount(of.members)} members
                  </Link>
                </p>
              )}
            </>
          ) : (
            <p className="mute">Its rule holds for no person now.</p>
          )
        }
      </Answered>
    </Panel>
  )
}
