import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import { useEffect, useRef, useState } from "react"
import { useExposures } from "../flags/queries.ts"
import type { Flag } from "../lib/api.ts"
import { exactCount } from "../lib/format.ts"
import { Answered, Badge, Count, Empty, Page } from "../ui/parts.tsx"
import "./experiments.css"
import { useFlags } from "./queries.ts"
import { divides } from "./shape.ts"

export function ExperimentsPage() {
  const answer = useFlags()
  const { q = "" } = useSearch({ strict: false }) as { q?: string }
  const navigate = useNavigate()
  return (
    <Page
      title="Experiments"
      lead="Flags that divide people between variants, and what follows from it."
      aside={
        <input
          type="search"
          className="field filter"
          aria-label="Filter experiments"
          placeholder="Filter   /"
          value={q}
          onChange={(event) =>
            navigate({ to: "/experiments", search: { q: event.target.value || undefined } as never, replace: true })
          }
        />
      }
    >
      <Answered answer={answer} lines={6}>
        {(flags) => <Rows flags={flags} q={q} />}
      </Answered>
    </Page>
  )
}

function Rows({ flags, q }: { flags: Flag[]; q: string }) {
  const all = flags.filter((flag) => !flag.document.archived && divides(flag))
  const shown = all.filter(({ key, description }) => `${key}\n${description}`.toLowerCase().includes(q.toLowerCase()))
  if (all.length === 0) {
    return (
      <Empty
        title="No experiments yet"
        command={
          "cat > experiment.yaml <<'END'\nflags:\n  - key: checkout_button\n    type: string\n" +
          "    variants: {blue: blue, green: green}\n    offVariant: blue\n" +
          '    rules:\n      - {id: test, when: "true", split: {blue: 50000, green: 50000}}\nEND\n' +
          ".venv/bin/tinycdp apply --wait experiment.yaml"
        }
      >
        <p>
          An experiment is a flag with a rule that splits. This makes one, in a checkout whose server keeps its data in
          .data:
        </p>
      </Empty>
    )
  }
  if (shown.length === 0) return <Empty title={`None of the ${all.length} experiments has “${q}”`} />
  return (
    <div className="table-frame">
      <table className="experiments">
        <thead>
          <tr>
            <th scope="col">Flag</th>
            <th scope="col">Units in 30 days, by variant</th>
            <th scope="col" className="end wide-only">
              Units
            </th>
            <th scope="col" className="end wide-only">
              Crossovers
            </th>
            <th scope="col">Sample ratio</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((flag) => (
            <Row key={flag.key} flag={flag} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** A flag. Its exposures are counted once its row comes into view: a page of many flags asks for few of them. */
function Row({ flag }: { flag: Flag }) {
  const row = useRef<HTMLTableRowElement>(null)
  const [seen, setSeen] = useState(false)
  useEffect(() => {
    const element = row.current
    if (!element || seen) return
    const watch = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true))
    watch.observe(element)
    return () => watch.disconnect()
  }, [seen])
  const { data, error } = useExposures(flag.key, seen)
  const mismatch = data?.sampleRatio.some((check) => check.mismatch)
  const checked = data?.sampleRatio.some(({ p }) => p !== null)
  return (
    <tr ref={row}>
      <td>
        <Link className="row-link" to="/experiments/$flag" params={{ flag: flag.key }}>
          {flag.key}
        </Link>
        {!flag.enabled && <Badge>off</Badge>}
        {flag.description && <p className="mute">{flag.description}</p>}
      </td>
      <td>
        {error ? (
          <span className="mute">{error.message}</span>
        ) : (
          <ul className="variant-units">
            {data?.variants.map(({ variant, units }) => (
              <li key={variant}>
                {variant} <b className="number">{exactCount(units)}</b>
              </li>
            ))}
            {data?.units === 0 && <li className="mute">none yet</li>}
          </ul>
        )}
      </td>
      <td className="end wide-only">
        <Count n={data?.units ?? null} />
      </td>
      <td className="end wide-only">
        <Count n={data?.crossovers ?? null} />
      </td>
      <td>
        {mismatch ? (
          <Badge tone="bad">mismatch</Badge>
        ) : checked ? (
          <Badge tone="good">as declared</Badge>
        ) : (
          data && <span className="mute">too few units</span>
        )}
      </td>
    </tr>
  )
}
