/** Groups, such as companies, with the traits that group calls gave them. */
import { Link } from "@tanstack/react-router"
import { value } from "../lib/format.ts"
import { useMay } from "../lib/me.ts"
import { Older } from "../ui/older.tsx"
import { Answered, Empty, NeedsAdmin, Page, When } from "../ui/parts.tsx"
import { useGroups } from "./queries.ts"

export function GroupsPage() {
  const may = useMay("admin")
  const answer = useGroups(may)
  return (
    <Page title="Groups" lead="Companies, teams, households: what people belong to.">
      {may ? (
        <Answered answer={answer} lines={8}>
          {({ pages }) => {
            const groups = pages.flatMap((page) => page.groups)
            return groups.length === 0 ? (
              <Empty
                title="No groups yet"
                command={`curl '${location.origin}/v1/group' -H "Authorization: Bearer $WRITE_KEY" -H 'Content-Type: application/json' \\\n     -d '{"userId":"ada","groupId":"acme","traits":{"plan":"gold"}}'`}
              >
                <p>A group call puts a person into a group, and gives the group traits:</p>
              </Empty>
            ) : (
              <>
                <div className="table-frame">
                  <table>
                    <thead>
                      <tr>
                        <th scope="col">Group</th>
                        <th scope="col" className="wide-only">
                          Traits
                        </th>
                        <th scope="col" className="end">
                          Changed
                        </th>
                      </tr>
                    </thead>
                    <tbody>
                      {groups.map(({ key, traits, changedAt }) => (
                        <tr key={key}>
                          <td>
                            <Link className="row-link" to="/groups/$name" params={{ name: key }}>
                              {key}
                            </Link>
                          </td>
                          <td className="wide-only mute break">
                            {Object.entries(traits)
                              .map(([name, given]) => `${name} ${value(given)}`)
                              .join(" · ")}
                          </td>
                          <td className="end">
                            <When at={changedAt} />
                          </td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </div>
                <Older of={answer} title="More groups" />
              </>
            )
          }}
        </Answered>
      ) : (
        <NeedsAdmin what="Groups" />
      )}
    </Page>
  )
}
