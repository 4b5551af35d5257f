/** A flag: its rules and what they give a person, who got what, how it came to be, and what hangs on it. */
import { Link, useParams, useSearch } from "@tanstack/react-router"
import { ImpactOf, InWords } from "../definitions/facts.tsx"
import { useDefinition } from "../definitions/queries.ts"
import { State } from "../definitions/state.tsx"
import { VersionsOf } from "../definitions/versions.tsx"
import type { Flag } from "../lib/api.ts"
import { Answered, Badge, Page } from "../ui/parts.tsx"
import { ExposuresOf } from "./exposures.tsx"
import "./flags.css"
import { Kills } from "./kills.tsx"
import { Rules } from "./rules.tsx"
import { Scheduled } from "./schedule.tsx"
import { Simulate } from "./simulate.tsx"
import { Killed, Switches } from "./switches.tsx"

const TABS = { "": "Rules", exposures: "Exposures", versions: "Versions", impact: "Impact" }
type Tab = keyof typeof TABS

export function FlagPage() {
  const { name = "" } = useParams({ strict: false })
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
          </div>
        )
      }
    >
      <Answered answer={answer} lines={8}>
        {(found) => ("document" in found ? <Content of={found} /> : null)}
      </Answered>
    </Page>
  )
}

function Content({ of }: { of: Flag }) {
  const { tab = "" } = useSearch({ strict: false })
  const shown: Tab = tab in TABS ? (tab as Tab) : ""
  return (
    <>
      <Killed of={of} />
      <Tabs />
      {shown === "" && (
        <div className="columns flag-columns">
          <div className="main-column">
            <Rules of={of.document} />
            <Scheduled of={of.document} />
            <InWords kind="flags" of={of} />
          </div>
          <div className="side-column">
            <Simulate flag={of.key} document={of.document} />
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
      {shown === "impact" && <ImpactOf kind="flags" name={of.key} />}
    </>
  )
}

function Tabs() {
  return (
    <ul className="tabs">
      {(Object.entries(TABS) as [Tab, string][]).map(([tab, title]) => (
        <li key={tab}>
          <Link
            to="."
            search={(now: Record<string, unknown>) => ({ ...now, tab: tab || undefined }) as never}
            activeOptions={{ exact: true, includeSearch: true }}
            resetScroll={false}
          >
            {title}
          </Link>
        </li>
      ))}
    </ul>
  )
}
