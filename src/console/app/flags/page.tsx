/** A flag: its rules and what they give a person, who got what, how it came to be, and what hangs on it. */
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router"
import { lazy, Suspense } from "react"
import { ImpactOf, InWords } from "../definitions/facts.tsx"
import { useDefinition } from "../definitions/queries.ts"
import { State } from "../definitions/state.tsx"
import { VersionsOf } from "../definitions/versions.tsx"
import { Manage } from "../editor/lifecycle.tsx"
import { PublishedNotice } from "../editor/published.tsx"
import type { Flag } from "../lib/api.ts"
import { useSingleKey } from "../lib/keys.ts"
import { useMay } from "../lib/me.ts"
import { Answered, Badge, Copyable, Page, Panel, Waiting } from "../ui/parts.tsx"
import { Tabs, useTab } from "../ui/tabs.tsx"
import { ExposuresOf } from "./exposures.tsx"
import "./flags.css"
import { Kills } from "./kills.tsx"
import { Rules } from "./rules.tsx"
import { Scheduled } from "./schedule.tsx"
import { Simulate } from "./simulate.tsx"
import { Killed, Switches } from "./switches.tsx"

const TABS = { rules: "Rules", exposures: "Exposures", versions: "Versions", impact: "Impact" }
/** What *Simulate* is about stays while other tabs are looked at. */
const KEPT = ["person", "by", "context", "at"]

const EditFlag = lazy(async () => ({ default: (await import("./form/edit.tsx")).EditFlag }))

/** The page of a flag, or its editor: `e` opens it, if the key may change definitions. */
export function FlagPage() {
  const { name = "" } = useParams({ strict: false })
  const { edit } = useSearch({ strict: false }) as { edit?: string }
  const may = useMay("admin")
  const navigate = useNavigate()
  const open = () =>
    navigate({
      to: "/flags/$name",
      params: { name },
      search: (now: Record<string, unknown>) => ({ ...now, tab: undefined, edit: "yes" }) as never,
    })
  useSingleKey("e", () => may && !edit && open())
  if (!(may && edit)) return <ReadFlag name={name} onEdit={may ? open : undefined} />
  return (
    <Suspense fallback={<Waiting lines={8} />}>
      <EditFlag name={name} />
    </Suspense>
  )
}

function ReadFlag({ name, onEdit }: { name: string; onEdit?: () => void }) {
  const answer = useDefinition("flags", name)
  const flag = answer.data && "document" in answer.data ? answer.data : undefined
  return (
    <Page
      title={name}
      above={<Link to="/flags">Flags</Link>}
      lead={flag?.description}
      aside={
        flag && (
          <div className="facts">
            <State of={flag} />
            {flag.killed ? (
              <Badge tone="bad">killed</Badge>
            ) : (
              <Badge tone={flag.enabled ? "good" : "quiet"}>{flag.enabled ? "on" : "off"}</Badge>
            )}
            <span className="mute">version {flag.version}</span>
            <Switches of={flag} />
            {onEdit && (
              <button type="button" className="button" onClick={onEdit}>
                Edit <kbd>E</kbd>
              </button>
            )}
          </div>
        )
      }
    >
      <PublishedNotice kind="flag" name={name} live={flag} />
      <Answered answer={answer} lines={8}>
        {(found) => ("document" in found ? <Content of={found} /> : null)}
      </Answered>
    </Page>
  )
}

function Content({ of }: { of: Flag }) {
  const shown = useTab(TABS)
  const may = useMay("admin")
  return (
    <>
      <Killed of={of} />
      <Tabs of={TABS} kept={KEPT} />
      {shown === "rules" && (
        <div className="columns flag-columns">
          <div className="main-column">
            <Rules of={of.document} />
            <Scheduled of={of.document} />
            <InWords kind="flags" of={of} />
          </div>
          <div className="side-column">
            <Simulate flag={of.key} document={of.document} />
            <Panel title="From an application" aside={<Link to="/keys">Keys</Link>}>
              <Copyable
                text={`curl '${location.origin}/v1/decide?userId=ada&flag=${encodeURIComponent(of.key)}' \\\n     -H "Authorization: Bearer $READ_KEY"`}
              />
            </Panel>
          </div>
        </div>
      )}
      {shown === "exposures" && <ExposuresOf flag={of.key} />}
      {shown === "versions" && (
        <>
          <VersionsOf kind="flags" name={of.key} />
          <Kills of={of.key} />
        </>
      )}
      {shown === "impact" && (
        <>
          <ImpactOf kind="flags" name={of.key} />
          {may && <Manage kind="flags" of={of} />}
        </>
      )}
    </>
  )
}
