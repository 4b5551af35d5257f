import { Link } from "@tanstack/react-router"
import type { ProfileSummary } from "../lib/api.ts"
import { When } from "../ui/parts.tsx"
import { identifierOf, nameOf } from "./names.ts"

/** People, one a row, each a link. */
export function PeopleTable<Person extends ProfileSummary>(props: {
  people: Person[]
  last: { title: string; at: (person: Person) => string | null }
}) {
  return (
    <div className="table-frame">
      <table className="people">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col" className="wide-only">
              Identifier
            </th>
            <th scope="col" className="end">
              {props.last.title}
            </th>
          </tr>
        </thead>
        <tbody>
          {props.people.map((person) => (
            <tr key={person.id}>
              <td>
                <Link className="row-link" to="/users/$id" params={{ id: person.id }} search={{ by: "profileId" }}>
                  {nameOf(person)}
                </Link>
              </td>
              <td className="wide-only mute">{identifierOf(person)}</td>
              <td className="end">
                <When at={props.last.at(person)} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
