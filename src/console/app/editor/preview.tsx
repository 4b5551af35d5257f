/** What a change would do to people, before it is made. */
import { Link } from "@tanstack/react-router"
import type { FlagPreview, Preview, SegmentPreview, TraitPreview } from "../lib/api.ts"
import { count, exactCount, plural } from "../lib/format.ts"
import { parsed, written } from "../lib/json.ts"
import { useRested } from "../lib/rested.ts"
import { Answered, Badge, Panel, Value, When } from "../ui/parts.tsx"
import { type Change, usePreview } from "./changes.ts"

export const PREVIEW_MS = 600

/** Shows what a change would do, while it is being written. `stale` while the text is another one, or wrong. */
interface PreviewPanelProps {
  change: Change | undefined
  stale: boolean
  /** What will be counted. */
  hint?: string
}

export function PreviewPanel({ change, stale, hint = "Who enters and who leaves" }: PreviewPanelProps) {
  const said = written(change ?? null)
  const rested = useRested(said, PREVIEW_MS)
  const asked = (parsed(rested) ?? undefined) as Change | undefined
  const answer = usePreview(asked)
  const old = stale || rested !== said || answer.isPlaceholderData
  const preview = answer.data
  return (
    <Panel
      title="Preview"
      aside={
        <span className="mute small">
          {answer.isFetching ? "Counting…" : old && preview ? "of an earlier text" : ""}
        </span>
      }
    >
      {preview === undefined && answer.error === null && !answer.isFetching ? (
        <p className="mute">{hint} is counted here as soon as the text is valid and differs.</p>
      ) : (
        <Answered answer={answer} lines={6}>
          {(shown) => (
            <div className="answer" data-stale={old || undefined}>
              <Effects of={shown} name={asked?.key} />
            </div>
          )}
        </Answered>
      )}
    </Panel>
  )
}

/** All that a change moves: the definition itself first, then those that depend on it. */
export function Effects({ of, name, short = false }: { of: Preview; name?: string; short?: boolean }) {
  const first = <One extends { key: string | null }>(a: One, b: One) => Number(b.key === name) - Number(a.key === name)
  return (
    <>
      <p className="mute small">
        {of.sampled
          ? `≈ from ${exactCount(of.lookedAt)} of ${exactCount(of.profiles)} people`
          : `All ${plural(of.profiles, "person").replace("persons", "people")} were counted`}
        , <When at={of.asOf} />
      </p>
      {[...of.segments].sort(first).map((one) => (
        <SegmentEffect key={one.key ?? one.was} of={one} short={short} />
      ))}
      {[...of.traits].sort(first).map((one) => (
        <TraitEffect key={one.key ?? one.was} of={one} looked={of.lookedAt} short={short} />
      ))}
      {[...of.flags].sort(first).map((one) => (
        <FlagEffect key={one.key ?? one.was} of={one} short={short} />
      ))}
    </>
  )
}

const MOVES = [
  ["enters", "enter", "good"],
  ["leaves", "leave", "bad"],
  ["unknown", "unknown", "warn"],
] as const

function SegmentEffect({ of, short }: { of: SegmentPreview; short: boolean }) {
  const given = of.estimate ?? of.counts
  const counts = { membersBefore: 0, members: 0, enters: 0, leaves: 0, unknown: 0, ...given }
  const about = of.estimate ? "≈ " : ""
  return (
    <section className="effect">
      <h3>{of.key ?? of.was}</h3>
      <p>
        {about}
        {count(counts.membersBefore)} → <b>{count(counts.members)}</b> {counts.members === 1 ? "member" : "members"}
      </p>
      <ul className="moves">
        {MOVES.map(([move, word, tone]) => (
          <li key={move}>
            <Badge tone={counts[move] ? tone : "quiet"}>
              {about}
              {count(counts[move])} {word}
            </Badge>
          </li>
        ))}
      </ul>
      {!short &&
        MOVES.map(([move, word]) => (
          <Examples
            key={move}
            title={`People who ${move === "unknown" ? "are unknown" : word}`}
            of={of.examples[move] ?? []}
          />
        ))}
    </section>
  )
}

interface ExamplePerson {
  profileId: string
  identifiers: { kind: string; value: string }[]
  why?: string | null
}

function Examples({ title, of }: { title: string; of: ExamplePerson[] }) {
  if (of.length === 0) return null
  return (
    <ul className="examples" aria-label={title}>
      {of.map((one) => (
        <li key={one.profileId}>
          <PersonLink of={one} />
          {one.why && <p className="mute small">{one.why}</p>}
        </li>
      ))}
    </ul>
  )
}

function PersonLink({ of }: { of: ExamplePerson }) {
  const named = of.identifiers.find(({ kind }) => kind === "userId") ?? of.identifiers[0]
  return (
    <Link to="/users/$id" params={{ id: of.profileId }} search={{ by: "profileId" }}>
      {named?.value ?? of.profileId}
    </Link>
  )
}

function TraitEffect({ of, looked, short }: { of: TraitPreview; looked: number; short: boolean }) {
  return (
    <section className="effect">
      <h3>{of.key ?? of.was}</h3>
      <p>
        The value changes for {of.estimate !== null && "≈ "}
        <b>{count(of.estimate ?? of.differs)}</b> {(of.estimate ?? of.differs) === 1 ? "person" : "people"}
      </p>
      <p className="mute">
        Unknown for {count(of.unknownBefore)} → {count(of.unknown)} of {count(looked)}
      </p>
      {!short && of.examples.length > 0 && (
        <table className="before-after">
          <thead>
            <tr>
              <th scope="col">Person</th>
              <th scope="col" className="end">
                Before
              </th>
              <th scope="col" className="end">
                After
              </th>
            </tr>
          </thead>
          <tbody>
            {of.examples.map((one) => (
              <tr key={one.profileId}>
                <td>
                  <PersonLink of={one} />
                </td>
                <td className="end">
                  <Value of={one.before} />
                </td>
                <td className="end">
                  <Value of={one.after} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

function FlagEffect({ of, short }: { of: FlagPreview; short: boolean }) {
  const moved = of.moves.filter(({ before, after }) => before !== after)
  const name = of.key ?? of.was
  return (
    <section className="effect">
      <h3>
        {name} <span className="mute">flag</span>
      </h3>
      {moved.length === 0 ? (
        <p className="mute">Serves everyone as before.</p>
      ) : (
        <ul>
          {moved.map(({ before, after, profiles, estimate, examples }) => (
            <li key={`${before} ${after}`}>
              <code>{before ?? "no flag"}</code> → <code>{after ?? "no flag"}</code> for {estimate !== null && "≈ "}
              <b>{count(estimate ?? profiles)}</b> {(estimate ?? profiles) === 1 ? "person" : "people"}
              {!short && <Examples title={`People who get ${after ?? "no flag"} instead`} of={examples} />}
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
