/** Another version was published while this draft was written: both are shown, and nothing is overwritten. */
import type { Version } from "../lib/api.ts"
import { Code, When } from "../ui/parts.tsx"
import { FIELDS, type Fields, fieldsOfVersion, merged } from "./fields.ts"

interface ConflictProps {
  base: Version | undefined
  theirs: Version
  mine: Fields
  onGoOn: (fields: Fields) => void
  onTakeTheirs: () => void
}

const TITLES = { description: "Description", expression: "Text" }

export function Conflict({ base, theirs, mine, onGoOn, onTakeTheirs }: ConflictProps) {
  const published = fieldsOfVersion(theirs)
  // Without the version that it began from, all of it counts as changed by both.
  const began = base ? fieldsOfVersion(base) : { name: mine.name, description: "", expression: "" }
  const both = merged(began, published, mine)
  const differing = FIELDS.filter((field) => published[field] !== mine[field] || published[field] !== began[field])
  return (
    <section className="conflict notice warn" aria-label="Conflict" role="alert">
      <div>
        <h2>
          {theirs.author} published version {theirs.version} <When at={theirs.publishedAt} />
        </h2>
        <p>
          Your draft began from version {base?.version ?? "an earlier one"}. It is kept, and nothing was overwritten.
          {theirs.note && <> Their note: “{theirs.note}”.</>}
        </p>
        {differing.map((field) => (
          <div key={field} className="three">
            <h3>{TITLES[field]}</h3>
            <dl>
              <dt>Base{base && `, version ${base.version}`}</dt>
              <dd>
                <Text field={field} of={began[field]} />
              </dd>
              <dt>Theirs, version {theirs.version}</dt>
              <dd>
                <Text field={field} of={published[field]} />
              </dd>
              <dt>Yours</dt>
              <dd>
                <Text field={field} of={mine[field]} />
              </dd>
            </dl>
          </div>
        ))}
        <div className="conflict-foot">
          {both.clashes.length === 0 ? (
            <button type="button" className="button primary" onClick={() => onGoOn(both.fields)}>
              Keep both changes
            </button>
          ) : (
            <button type="button" className="button primary" onClick={() => onGoOn(both.fields)}>
              Go on with yours
            </button>
          )}
          <button type="button" className="button" onClick={onTakeTheirs}>
            Take theirs
          </button>
          <p className="mute small">
            {both.clashes.length === 0
              ? "They changed other fields than you. Nothing is published yet."
              : "Yours stays in the editor, as a change of their version. Nothing is published yet."}
          </p>
        </div>
      </div>
    </section>
  )
}

function Text({ field, of }: { field: (typeof FIELDS)[number]; of: string }) {
  if (!of) return <span className="mute">empty</span>
  return field === "expression" ? <Code source={of} /> : <span className="break">{of}</span>
}
