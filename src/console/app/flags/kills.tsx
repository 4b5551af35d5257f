import { Answered, Panel, When } from "../ui/parts.tsx"
import { useKills } from "./queries.ts"

/** When a flag was killed, by whom and why. */
export function Kills({ of }: { of: string }) {
  const answer = useKills(of)
  return (
    <Panel title="Kills">
      <Answered answer={answer} lines={2}>
        {({ kills }) =>
          kills.length === 0 ? (
            <p className="mute">It was never killed.</p>
          ) : (
            <ol className="versions">
              {kills.map((kill) => (
                <li key={kill.killedAt}>
                  <p>{kill.note || "no note"}</p>
                  <small>
                    killed by {kill.killedBy}, <When at={kill.killedAt} />
                    {kill.revivedAt && (
                      <>
                        ; revived by {kill.revivedBy}, <When at={kill.revivedAt} />
                      </>
                    )}
                  </small>
                </li>
              ))}
            </ol>
          )
        }
      </Answered>
    </Panel>
  )
}
