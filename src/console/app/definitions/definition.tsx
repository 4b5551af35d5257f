import { Link, useParams } from "@tanstack/react-router"
import type { Flag, Segment } from "../lib/api.ts"
import { count, plural } from "../lib/format.ts"
import { PeopleTable } from "../people/table.tsx"
import { Answered, Badge, Code, Page, Panel } from "../ui/parts.tsx"
import { ImpactOf, InWords } from "./facts.tsx"
import { type Definition, type Kind, sourceOf, WORDS } from "./kinds.ts"
import { useDefinition, useMembers } from "./queries.ts"
import { State } from "./state.tsx"
import { VersionsOf } from "./versions.tsx"

export function DefinitionPage({ kind }: { kind: Kind }) {
  const { name = "" } = useParams({ strict: false })
  const answer = useDefinition(kind, name)
  const one = answer.data
  return (
    <Page
      title={name}
      above={<Link to={`/${kind}`}>{WORDS[kind].title}</Link>}
      lead={one?.description}
      aside={
        one && (
          <p className="facts">
            <State of={one} />
            {"members" in one && one.members !== null && (
              <span>
                <b>{count(one.members)}</b> {one.members === 1 ? "member" : "members"}
              </span>
            )}
            {"expression" in one && <Badge>{one.type === "dyn" ? "any type" : one.type}</Badge>}
            <span className="mute">version {one.version}</span>
          </p>
        )
      }
    >
      <Answered answer={answer} lines={8}>
        {(definition) => <Content kind={kind} of={definition} />}
      </Answered>
    </Page>
  )
}

function Content({ kind, of }: { kind: Kind; of: Definition }) {
  return (
    <div className="columns">
      <div className="main-column">
        {!("document" in of) && <Expression of={of} />}
        <InWords kind={kind} of={of} />
        {"members" in of && <MembersOf of={of} />}
      </div>
      <div className="side-column">
        <ImpactOf kind={kind} name={of.key} />
        <VersionsOf kind={kind} name={of.key} />
      </div>
    </div>
  )
}

function Expression({ of }: { of: Exclude<Definition, Flag> }) {
  if ("static" in of && of.static) {
    return (
      <Panel title="List">
        <p className="mute">
          Its members are listed one by one, not found by a rule. The list has {plural(of.listed ?? 0, "identifier")}.
        </p>
      </Panel>
    )
  }
  return (
    <Panel title={"expression" in of ? "Expression" : "Rule"}>
      <Code source={sourceOf(of)} />
    </Panel>
  )
}

function MembersOf({ of }: { of: Segment }) {
  const answer = useMembers(of.key)
  return (
    <Panel title="Members" aside={of.members !== null && <span className="mute">{count(of.members)} now</span>}>
      <Answered answer={answer} lines={6}>
        {({ members }) =>
          members.length ? (
            <>
              <PeopleTable people={members} last={{ title: "Entered", at: ({ enteredAt }) => enteredAt }} />
              {of.members !== null && of.members > members.length && (
                <p className="mute">The first {members.length} by profile id are shown.</p>
              )}
            </>
          ) : (
            <p className="mute">Its rule holds for no person now.</p>
          )
        }
      </Answered>
    </Panel>
  )
}
