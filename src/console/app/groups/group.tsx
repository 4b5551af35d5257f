/** A group: its traits and the people who belong to it. */
import { Link, useParams } from "@tanstack/react-router"
import { count, value } from "../lib/format.ts"
import { useMay } from "../lib/me.ts"
import { PeopleTable } from "../people/table.tsx"
import { Older } from "../ui/older.tsx"
import { Answered, NeedsAdmin, Page, Panel, When } from "../ui/parts.tsx"
import { type Group, useGroup, useGroupMembers } from "./queries.ts"

export function GroupPage() {
  const { name = "" } = useParams({ strict: false })
  const may = useMay("admin")
  const answer = useGroup(name, may)
  return (
    <Page above={<Link to="/groups">Groups</Link>} title={name}>
      {may ? (
        <Answered answer={answer} lines={8}>
          {(group) => (
            <div className="columns">
              <div className="main-column">
                <Members of={group} />
              </div>
              <div className="side-column">
                <Traits of={group} />
              </div>
            </div>
          )}
        </Answered>
      ) : (
        <NeedsAdmin what="Groups" />
      )}
    </Page>
  )
}

function Traits({ of }: { of: Group }) {
  const traits = Object.entries(of.traits)
  return (
    <Panel title="Traits">
      {traits.length === 0 && <p className="mute">No group call gave it any.</p>}
      <dl className="pairs">
        {traits.map(([name, given]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value(given)}</dd>
          </div>
        ))}
        <div>
          <dt>Created</dt>
          <dd>
            <When at={of.createdAt} />
          </dd>
        </div>
        <div>
          <dt>Changed</dt>
          <dd>
            <When at={of.changedAt} />
          </dd>
        </div>
      </dl>
    </Panel>
  )
}

function Members({ of }: { of: Group }) {
  const answer = useGroupMembers(of.key)
  return (
    <Panel title="People" aside={of.members !== undefined && <span className="mute">{count(of.members)} now</span>}>
      <Answered answer={answer} lines={6}>
        {({ pages }) => {
          const people = pages.flatMap(({ members }) => members)
          return people.length === 0 ? (
            <p className="mute">No person belongs to it now.</p>
          ) : (
            <>
              <PeopleTable people={people} last={{ title: "Seen", at: ({ lastSeen }) => lastSeen }} />
              <Older of={answer} title="More people" />
            </>
          )
        }}
      </Answered>
    </Panel>
  )
}
