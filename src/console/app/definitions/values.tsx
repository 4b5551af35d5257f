/** How the values of a trait are spread over people now. */
import { useQuery } from "@tanstack/react-query"
import { duration } from "../insights/figures.ts"
import { Shares } from "../insights/shares.tsx"
import "../insights/journeys.css"
import "./values.css"
import type { Distribution, Spread, Texts, Trait } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { exactCount, plural, value } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { useSession } from "../lib/session.ts"
import { Answered, Panel, When } from "../ui/parts.tsx"

const DAY_MS = 86_400_000

const QUANTILES = [
  ["min", "Least"],
  ["p5", "5 %"],
  ["p25", "25 %"],
  ["median", "Median"],
  ["p75", "75 %"],
  ["p95", "95 %"],
  ["max", "Most"],
] as const

export default function ValuesOf({ of }: { of: Trait }) {
  const { key } = useSession()
  const answer = useQuery({
    queryKey: ["definitions", "traits", of.key, "distribution", of.version, of.status],
    queryFn: ({ signal }) => ask<Distribution>(address(["admin", "traits", of.key, "distribution"]), { signal }),
    placeholderData: (former, query) => (query?.queryKey[2] === of.key ? former : undefined),
    enabled: key !== "",
  })
  return (
    <Panel title="Values" aside={answer.data && <span className="mute small">{reachOf(answer.data)}</span>}>
      <Answered answer={answer} lines={6}>
        {(found) => <Spreads of={found} />}
      </Answered>
    </Panel>
  )
}

function reachOf({ lookedAt, profiles, sampled }: Distribution): string {
  return sampled
    ? `of ${exactCount(profiles)} people, ${exactCount(lookedAt)} sampled`
    : `of ${plural(profiles, "person", "people")}`
}

function Spreads({ of }: { of: Distribution }) {
  const { lookedAt, booleans, texts, kinds, unknown } = of
  if (lookedAt === 0) return <p className="mute">There are no people yet.</p>
  if (of.backfilling) return <p className="mute">Its values are still being computed.</p>
  const uncounted = [
    { name: "lists", n: kinds.list ?? 0 },
    { name: "other values", n: kinds.other ?? 0 },
  ].filter(({ n }) => n > 0)
  return (
    <div className="values">
      {of.spreads.map((spread) => (
        <Ordered key={spread.kind} of={spread} people={lookedAt} />
      ))}
      {booleans && (
        <Shares
          caption="Yes or no"
          of={lookedAt}
          rows={[
            { name: "yes", n: booleans.true },
            { name: "no", n: booleans.false },
          ]}
        />
      )}
      {texts && <Shares caption="Most frequent texts" of={lookedAt} rows={textRows(texts)} />}
      {uncounted.length > 0 && <Shares caption="Of other kinds" of={lookedAt} rows={uncounted} />}
      <p className="mute">
        Unknown for {unknown === lookedAt ? "all of them" : exactCount(unknown)}. Counted <When at={of.asOf} />.
      </p>
    </div>
  )
}

function textRows({ top, rest, restProfiles }: Texts) {
  const rows = top.map(({ value, profiles }) => ({ name: value === "" ? '""' : value, n: profiles }))
  return rest > 0 ? [...rows, { name: `${plural(rest, "other text")}`, n: restProfiles }] : rows
}

/** Numbers, instants or durations: their quantiles, and a bar for each bin. */
function Ordered({ of, people }: { of: Spread; people: number }) {
  const zone = useZone()
  const { kind, bins } = of
  const written = (given: unknown) => writtenAs(kind, given, zone, widthOf(of) < DAY_MS)
  const counted =
    kind === "number" && bins.every(({ start, end }) => Number.isInteger(start) && Number(end) - Number(start) === 1)
  return (
    <>
      <dl className="quantiles">
        {QUANTILES.map(([name, title]) => (
          <div key={name}>
            <dt>{title}</dt>
            <dd>{written(of[name])}</dd>
          </div>
        ))}
      </dl>
      <Shares
        caption={counted ? CAPTIONS[kind] : `${CAPTIONS[kind]}, from – to below`}
        of={people}
        rows={bins.map(({ start, end, profiles }) => ({
          name: counted ? written(start) : `${written(start)} – ${written(end)}`,
          n: profiles,
        }))}
      />
    </>
  )
}

const CAPTIONS = { number: "Numbers", datetime: "Instants", duration: "Durations" } as const

function widthOf({ kind, bins }: Spread): number {
  const first = bins[0]
  return kind === "datetime" && first ? Date.parse(String(first.end)) - Date.parse(String(first.start)) : 0
}

function writtenAs(kind: Spread["kind"], given: unknown, zone: string, exactly: boolean): string {
  if (kind === "duration") return duration(Math.round(Number(given) * 1000))
  if (kind === "number") return value(given)
  const parts = { dateStyle: "medium", timeStyle: exactly ? "short" : undefined, timeZone: zone } as const
  return new Intl.DateTimeFormat("en-GB", parts).format(new Date(String(given)))
}
