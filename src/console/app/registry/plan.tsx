/** What the tracking plan says of an event. */
import type { EventPage, PlannedProperty } from "../lib/api.ts"
import { useMay } from "../lib/me.ts"
import { Badge, Panel, When } from "../ui/parts.tsx"
import { usePlanVersions } from "./queries.ts"

export function PlanPanel({ of, edit }: { of: EventPage; edit: () => void }) {
  const may = useMay("admin")
  const entry = of.plan?.entry
  const declared = Object.entries(entry?.properties ?? {})
  return (
    <Panel
      title="Tracking plan"
      aside={
        may && (
          <button type="button" className="button small" onClick={edit}>
            {entry ? "Edit" : "Plan it"}
          </button>
        )
      }
    >
      {!entry && <p className="mute">This event is not planned: every property is accepted as it comes.</p>}
      {entry && (
        <>
          <p>
            {entry.status === "blocked"
              ? "It is refused."
              : entry.enforce === "reject"
                ? "What breaks the plan is refused."
                : "What breaks the plan is noted, and accepted."}{" "}
            {entry.additional === false ? "Properties that are not named break it." : "Other properties are accepted."}
          </p>
          {entry.owner && <p className="mute">Owner: {entry.owner}</p>}
          <ul className="lines plan-lines">
            {declared.map(([name, property]) => (
              <li key={name}>
                <span>
                  {name} {property.required && <Badge>required</Badge>}
                  {property.revenue && <Badge tone="good">revenue</Badge>}
                </span>
                <span className="mute">{inWords(property)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
      <History name={of.event.name} />
    </Panel>
  )
}

function inWords({ type, values, minimum, maximum, maxLength }: PlannedProperty): string {
  const parts = [
    type ?? "any type",
    values && `one of ${values.length}`,
    minimum !== undefined && minimum !== null && `≥ ${minimum}`,
    maximum !== undefined && maximum !== null && `≤ ${maximum}`,
    maxLength && `to ${maxLength} long`,
  ]
  return parts.filter(Boolean).join(", ")
}

function History({ name }: { name: string }) {
  const { data = [] } = usePlanVersions(name)
  if (data.length === 0) return null
  return (
    <ul className="lines history">
      {data.map(({ version, entry, changedAt, changedBy }) => (
        <li key={version}>
          <span>
            Version {version}
            {entry === null && ", removed"}
          </span>
          <span className="mute">
            {changedBy}, <When at={changedAt} />
          </span>
        </li>
      ))}
    </ul>
  )
}
