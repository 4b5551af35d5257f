/** One property of an event: its types over the days, and who sends them. */
import type { DayOfType } from "../lib/api.ts"
import { exactCount, value } from "../lib/format.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Answered, Count, Value, When } from "../ui/parts.tsx"
import { Table } from "../ui/table.tsx"
import { useProperty } from "./queries.ts"
import { nameInWords, StateOf } from "./words.tsx"

export function PropertyDialog({ event, name, onClose }: { event: string; name: string; onClose: () => void }) {
  const answer = useProperty(event, name)
  return (
    <Dialog title={name} lead={`A property of ${nameInWords(event)}.`} onClose={onClose} wide>
      <Answered answer={answer} lines={8}>
        {({ property, days, sdks }) => (
          <>
            <dl className="pairs key-facts">
              <div>
                <dt>State</dt>
                <dd>
                  <StateOf state={property.state} /> {property.why}
                </dd>
              </div>
              <div>
                <dt>Example</dt>
                <dd>
                  <Value of={property.example} />
                </dd>
              </div>
              {property.declared && (
                <div>
                  <dt>Planned as</dt>
                  <dd>
                    {property.declared.type ?? "any type"}
                    {property.declared.required && ", required"}
                  </dd>
                </div>
              )}
              {property.remedy && (
                <div>
                  <dt>What to do</dt>
                  <dd>{property.remedy}</dd>
                </div>
              )}
            </dl>
            <h3>Types by day</h3>
            <Timeline days={days} />
            <Table
              heads={["Type", "Values", "Since", "Seen"]}
              wide={[2]}
              rows={property.types.map(({ type, n, firstSeen, lastSeen }) => [
                <b key="type">{type}</b>,
                <Count key="n" n={n} />,
                <When key="first" at={firstSeen} />,
                <When key="last" at={lastSeen} />,
              ])}
            />
            <h3>SDKs</h3>
            <Table
              heads={["SDK", "Type", "Values", "Days"]}
              ends={[2, 3]}
              wide={[3]}
              rows={sdks.map(({ sdk, type, n, firstDay, lastDay }) => [
                sdk || <span className="mute">no SDK named</span>,
                type ?? "",
                <Count key="n" n={n} />,
                firstDay === lastDay ? firstDay : `${firstDay} – ${lastDay}`,
              ])}
            />
          </>
        )}
      </Answered>
    </Dialog>
  )
}

/** Each day's types by their shares, so that a change of type is seen as a change of colour. */
function Timeline({ days }: { days: DayOfType[] }) {
  const types = [...new Set(days.map(({ type }) => type))].sort()
  const byDay = new Map<string, DayOfType[]>()
  for (const of of days.toSorted((a, b) => a.day.localeCompare(b.day)))
    byDay.set(of.day, [...(byDay.get(of.day) ?? []), of])
  if (byDay.size === 0) return <p className="mute">Nothing arrived in the last 90 days.</p>
  return (
    <figure className="timeline">
      <div role="img" aria-label={`Its types on ${byDay.size} days: ${types.join(", ")}.`}>
        {[...byDay].map(([day, parts]) => (
          <span
            key={day}
            title={`${day}: ${parts.map(({ type, n, share }) => `${exactCount(n)} ${type} (${value(100 * share)} %)`).join(", ")}`}
          >
            {parts.map(({ type, share }) => (
              <i key={type} data-series={types.indexOf(type) % 6} style={{ flexGrow: share }} />
            ))}
          </span>
        ))}
      </div>
      <figcaption>
        {types.map((type, series) => (
          <span key={type}>
            <i data-series={series % 6} /> {type}
          </span>
        ))}
      </figcaption>
    </figure>
  )
}
