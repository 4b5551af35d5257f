/** Who a person is one with: the graph of their identifiers, and how it came to be. */

import { MergeList } from "../identity/merges.tsx"
import { RefusalTable } from "../identity/refusals.tsx"
import { Named, NamedList, PersonLink } from "../identity/states.tsx"
import type { IdentityGraph, Profile, Split } from "../lib/api.ts"
import { plural, whole } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import "../identity/identity.css"
import { Answered, Badge, Panel, When } from "../ui/parts.tsx"
import { type Branch, branchesOf, type Link, relationOf } from "./graph.ts"
import { useGraph } from "./queries.ts"

export function Identity({ person }: { person: Profile }) {
  const answer = useGraph(person.id)
  return (
    <Answered answer={answer} lines={8}>
      {(graph) => (
        <>
          <Graph of={graph} />
          <Panel title="Merges" aside={<span className="mute">{plural(graph.merges.length, "merge")}</span>}>
            {graph.merges.length > 0 ? (
              <MergeList of={graph.merges} />
            ) : (
              <p className="mute">This profile was never merged.</p>
            )}
          </Panel>
          {graph.splits.length > 0 && (
            <Panel title="Splits">
              <Splits of={graph.splits} />
            </Panel>
          )}
          {graph.rejectedClaims.length > 0 && (
            <Panel title="Refusals">
              <RefusalTable of={graph.rejectedClaims} />
            </Panel>
          )}
        </>
      )}
    </Answered>
  )
}

function Graph({ of }: { of: IdentityGraph }) {
  const own = of.nodes.filter(({ outside }) => !outside).length
  return (
    <Panel title="Identifiers" aside={<span className="mute">{plural(own, "identifier")}</span>}>
      <ul className="graph">
        {branchesOf(of).map((branch) => (
          <BranchRow key={branch.node.id} of={branch} bucketing={of.bucketingKey} />
        ))}
      </ul>
    </Panel>
  )
}

function BranchRow({ of, bucketing }: { of: Branch; bucketing: string }) {
  const zone = useZone()
  const { node, by, others, claims } = of
  return (
    <li>
      <div className="graph-node">
        <Named of={node} />
        {node.value === bucketing && (
          <span title="Rollouts and splits divide people by it">
            <Badge>bucketing key</Badge>
          </span>
        )}
        <span className="small mute">
          since <When at={node.firstSeen} />
          {by && (
            <span title={by.messageId === null ? undefined : `message ${by.messageId}, ${whole(by.saidAt, zone)}`}>
              {by.messageId === null ? ", linked by hand" : ", linked by a message"} <When at={by.linkedAt} />
            </span>
          )}
        </span>
      </div>
      {others.map((link) => (
        <OtherLink key={`${link.edge.from} ${link.edge.to} ${link.edge.kind}`} of={link} />
      ))}
      {claims.length > 0 && (
        <ul className="graph">
          {claims.map((branch) => (
            <BranchRow key={branch.node.id} of={branch} bucketing={bucketing} />
          ))}
        </ul>
      )}
    </li>
  )
}

function OtherLink({ of }: { of: Link }) {
  const { edge, other } = of
  return (
    <p className="small graph-link" data-state={edge.state}>
      <span className="mute">{relationOf(of)}</span> <Named of={other} />{" "}
      {other.outside && (
        <>
          <span className="mute">of</span> <PersonLink id={other.profileId} />{" "}
        </>
      )}
      <span className="mute">
        <When at={edge.apartAt ?? edge.linkedAt} />
      </span>
    </p>
  )
}

function Splits({ of }: { of: Split[] }) {
  return (
    <ol className="merges">
      {of.map((split) => (
        <li key={split.id}>
          <article aria-label={`Split ${split.id}`}>
            <header>
              <p className="mute">split off by {split.author}</p>
              <span className="mute">
                <When at={split.splitAt} />
              </span>
            </header>
            <NamedList of={split.identifiers} />
            {split.note && <p className="small note">{split.note}</p>}
          </article>
        </li>
      ))}
    </ol>
  )
}
