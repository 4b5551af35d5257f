import { Link, useNavigate, useSearch } from "@tanstack/react-router"
import type { ReactNode } from "react"
import { useDraftsOf } from "../editor/drafts.ts"
import { plural } from "../lib/format.ts"
import { useMay } from "../lib/me.ts"
import { Answered, Badge, Code, Count, Empty, Page } from "../ui/parts.tsx"
import { type Definition, type Kind, matches, sourceOf, WORDS } from "./kinds.ts"
import { useDefinitions } from "./queries.ts"
import { State } from "./state.tsx"

export function DefinitionList({ kind }: { kind: Kind }) {
  const answer = useDefinitions(kind)
  const { q = "" } = useSearch({ strict: false })
  const navigate = useNavigate()
  const words = WORDS[kind]
  const may = useMay("admin")
  const drafts = useDraftsOf(words.one)
  return (
    <Page
      title={words.title}
      lead={words.lead}
      aside={
        <div className="page-tools">
          <input
            type="search"
            className="field filter"
            aria-label={`Filter ${kind}`}
            placeholder="Filter   /"
            value={q}
            onChange={(event) =>
              navigate({ to: `/${kind}`, search: { q: event.target.value || undefined }, replace: true })
            }
          />
          {may && (
            <Link className="button primary" to={`/new/${words.one}`}>
              {drafts.includes("") ? `Go on with the new ${words.one}` : `New ${words.one}`}
            </Link>
          )}
        </div>
      }
    >
      <Answered answer={answer} lines={10}>
        {(all) => <Rows kind={kind} all={all} q={q} drafts={drafts} />}
      </Answered>
    </Page>
  )
}

function Rows({ kind, all, q, drafts }: { kind: Kind; all: Definition[]; q: string; drafts: string[] }) {
  const words = WORDS[kind]
  const shown = q ? all.filter((one) => matches(one, q)) : all
  if (all.length === 0) {
    return (
      <Empty
        title={`No ${kind} yet`}
        command={`cat > ${kind}.yaml <<'END'\n${words.example}\nEND\n.venv/bin/tinycdp apply --wait ${kind}.yaml`}
      >
        <p>This makes the first {words.one}, in a checkout whose server keeps its data in .data:</p>
      </Empty>
    )
  }
  if (shown.length === 0) return <Empty title={`None of the ${plural(all.length, words.one)} has “${q}”`} />
  return (
    <div className="table-frame">
      <table className="definitions">
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col" className="wide-only">
              {kind === "flags" ? "Conditions" : kind === "traits" ? "Expression" : "Rule"}
            </th>
            <th scope="col" className="end">
              {HEADS[kind]}
            </th>
            <th scope="col" className="end wide-only">
              Used by
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <tr key={one.key}>
              <td>
                <Link className="row-link" to={`/${kind}/$name`} params={{ name: one.key }}>
                  {one.key}
                </Link>
                <State of={one} />
                {drafts.includes(one.key) && <Badge tone="info">draft</Badge>}
                {one.description && <p className="mute">{one.description}</p>}
              </td>
              <td className="wide-only source">
                <Code inline source={firstLine(sourceOf(one))} />
              </td>
              <td className="end">{figureOf(one)}</td>
              <td className="end wide-only">
                <Count n={one.usedBy.length} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const HEADS: Record<Kind, string> = { traits: "Type", segments: "Members", flags: "State" }

function figureOf(one: Definition): ReactNode {
  if ("document" in one) return one.enabled ? <Badge tone="good">on</Badge> : <Badge>off</Badge>
  if ("expression" in one) return <span className="mute">{one.type === "dyn" ? "any" : one.type}</span>
  return <Count n={one.members} />
}

function firstLine(source: string): string {
  const [first = "", ...more] = source.split("\n")
  return more.length ? `${first} …` : first
}
