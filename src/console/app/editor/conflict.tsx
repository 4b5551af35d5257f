/** The conflict of a trait or a segment. */
import { Conflict } from "../ui/conflict.tsx"
import { Code } from "../ui/parts.tsx"
import { type EditedKind, FIELDS, type Fields, fieldsOfVersion, merged } from "./fields.ts"
import { Versions } from "./versions.tsx"

const TITLES = { description: "Description", expression: "Text" }

export function TextConflict(props: {
  kind: EditedKind
  name: string
  base: number
  version: number
  mine: Fields
  onGoOn: (fields: Fields) => void
  onTakeTheirs: () => void
}) {
  const { mine } = props
  return (
    <Versions {...props}>
      {(base, theirs) => {
        const published = fieldsOfVersion(theirs)
        // Without the version that it began from, all of it counts as changed by both.
        const began = base ? fieldsOfVersion(base) : { name: mine.name, description: "", expression: "" }
        const both = merged(began, published, mine)
        const differing = FIELDS.filter(
          (field) => published[field] !== mine[field] || published[field] !== began[field],
        )
        return (
          <Conflict
            base={base}
            theirs={theirs}
            differing={differing.map((field) => ({
              title: TITLES[field],
              base: <Text field={field} of={began[field]} />,
              theirs: <Text field={field} of={published[field]} />,
              yours: <Text field={field} of={mine[field]} />,
            }))}
            clashes={both.clashes.map((field) => TITLES[field].toLowerCase())}
            onGoOn={() => props.onGoOn(both.fields)}
            onTakeTheirs={props.onTakeTheirs}
          />
        )
      }}
    </Versions>
  )
}

function Text({ field, of }: { field: (typeof FIELDS)[number]; of: string }) {
  if (!of) return <span className="mute">empty</span>
  return field === "expression" ? <Code source={of} /> : <span className="break">{of}</span>
}
