/** Who got what lately: first whether the splits are as they should be. */
import type { FlagExposures, api_exposures_schemas_SampleRatio as SampleRatio } from "../lib/api.ts"
import { plural, value } from "../lib/format.ts"
import { Answered, Badge, Count, Empty, Panel, When } from "../ui/parts.tsx"
import { useExposures } from "./queries.ts"

export function ExposuresOf({ flag }: { flag: string }) {
  const answer = useExposures(flag)
  return (
    <Answered answer={answer} lines={8}>
      {(found) =>
        found.units === 0 ? (
          <Empty title="No exposures in 30 days" command={commandFor(flag)}>
            <p>Each decision of a client leaves one: once per person, variant and day. This is one:</p>
          </Empty>
        ) : (
          <>
            {found.sampleRatio.map((ratio) => (
              <Ratio key={ratio.rule} of={ratio} />
            ))}
            <Shares of={found} />
            <Days of={found} />
          </>
        )
      }
    </Answered>
  )
}

function commandFor(flag: string): string {
  return `curl "${location.origin}/v1/decide?userId=ada&flag=${encodeURIComponent(flag)}" -H "Authorization: Bearer $KEY"`
}

function Ratio({ of }: { of: SampleRatio }) {
  return (
    <Panel title={`Sample ratio of ${of.rule}`} aside={<Verdict of={of} />}>
      <p className="sentence">{of.sentence}</p>
      <div className="table-frame">
        <table>
          <thead>
            <tr>
              <th scope="col">Variant</th>
              <th scope="col" className="end">
                Expected
              </th>
              <th scope="col" className="end">
                People
              </th>
            </tr>
          </thead>
          <tbody>
            {of.arms.map(({ variant, units, expected }) => (
              <tr key={variant}>
                <td>
                  <code>{variant}</code>
                </td>
                <td className="end">
                  <Count n={Math.round(expected)} />
                </td>
                <td className="end">
                  <Count n={units} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="small mute">
        Counted since <When at={of.since} />, version {of.version}.
        {of.crossovers > 0 && ` ${plural(of.crossovers, "person", "people")} saw another of these variants afterwards.`}
      </p>
    </Panel>
  )
}

function Verdict({ of }: { of: SampleRatio }) {
  if (of.mismatch) return <Badge tone="bad">mismatch</Badge>
  return of.p === null ? <Badge>too few to tell</Badge> : <Badge tone="good">as expected</Badge>
}

function Shares({ of }: { of: FlagExposures }) {
  return (
    <Panel
      title="People by variant"
      aside={
        <span className="mute">
          {of.from} to {of.to}
        </span>
      }
    >
      <div className="table-frame">
        <table>
          <thead>
            <tr>
              <th scope="col">Variant</th>
              <th scope="col" className="end">
                People
              </th>
              <th scope="col" className="end">
                Share
              </th>
            </tr>
          </thead>
          <tbody>
            {of.variants.map(({ variant, units, share }) => (
              <tr key={variant}>
                <td>
                  <code>{variant}</code>
                </td>
                <td className="end">
                  <Count n={units} />
                </td>
                <td className="end">{value(Math.round(1000 * share) / 10)} %</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {of.crossovers > 0 && (
        <p className="small mute">
          {plural(of.crossovers, "person", "people")} got more than one variant, and count once for each.
        </p>
      )}
    </Panel>
  )
}

function Days({ of }: { of: FlagExposures }) {
  const variants = of.variants.map(({ variant }) => variant)
  const days = new Map<string, Map<string, number>>()
  for (const { day, variant, units } of of.days) {
    const row = days.get(day) ?? new Map<string, number>()
    row.set(variant, (row.get(variant) ?? 0) + units)
    days.set(day, row)
  }
  return (
    <Panel title="People by day" aside={<span className="mute">UTC</span>}>
      <div className="table-frame">
        <table>
          <thead>
            <tr>
              <th scope="col">Day</th>
              {variants.map((variant) => (
                <th key={variant} scope="col" className="end">
                  {variant}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {[...days]
              .sort(([a], [b]) => (a < b ? 1 : -1))
              .map(([day, row]) => (
                <tr key={day}>
                  <td>{day}</td>
                  {variants.map((variant) => (
                    <td key={variant} className="end">
                      <Count n={row.get(variant) ?? 0} />
                    </td>
                  ))}
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </Panel>
  )
}
