/** The syncs that send to a destination. */
import { Link } from "@tanstack/react-router"
import type { Sync } from "../../lib/api.ts"
import { Answered, Panel } from "../../ui/parts.tsx"
import { SYNC } from "../kinds.ts"
import { useAllSaved } from "../queries.ts"
import { useSyncHealth } from "./queries.ts"
import { State } from "./state.tsx"

export function SyncsOf({ destination }: { destination: string }) {
  const answer = useAllSaved<Sync>(SYNC)
  return (
    <Panel
      title="Syncs"
      aside={
        <Link className="button small" to="/syncs/new" search={{ destination }}>
          New sync
        </Link>
      }
    >
      <Answered answer={answer} lines={2}>
        {(all) => {
          const found = all.filter(({ document }) => document.destination === destination)
          if (found.length === 0) return <p className="mute">No sync sends records of people to it.</p>
          return (
            <ul className="plain-list">
              {found.map((one) => (
                <One key={one.key} of={one} />
              ))}
            </ul>
          )
        }}
      </Answered>
    </Panel>
  )
}

function One({ of }: { of: Sync }) {
  const health = useSyncHealth(of.key)
  return (
    <li>
      <Link to="/syncs/$name" params={{ name: of.key }} search={{}}>
        {of.name}
      </Link>{" "}
      {health.data && <State of={health.data} />}
    </li>
  )
}
