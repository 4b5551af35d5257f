/** What a flag's schedule will set, and when. */
import type { FlagBody, StepBody } from "../lib/api.ts"
import { value, whole } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { Panel, When } from "../ui/parts.tsx"

export function Scheduled({ of }: { of: FlagBody }) {
  const zone = useZone()
  const steps = [...(of.schedule ?? [])].sort((a, b) => Date.parse(a.at) - Date.parse(b.at))
  if (steps.length === 0) return null
  return (
    <Panel title="Schedule" aside={<span className="mute">{zone}</span>}>
      <ol className="steps">
        {steps.map((step) => (
          <li key={step.at}>
            <p>
              <b>{whole(step.at, zone)}</b>{" "}
              <span className="mute">
                <When at={step.at} />
              </span>
            </p>
            <Sets of={step} />
          </li>
        ))}
      </ol>
    </Panel>
  )
}

function Sets({ of }: { of: StepBody }) {
  return (
    <ul>
      {Object.entries(of.set).map(([pointer, given]) => (
        <li key={pointer}>
          <code>{pointer.slice(1).replaceAll("/", " › ")}</code> becomes <code>{value(given)}</code>
        </li>
      ))}
    </ul>
  )
}
