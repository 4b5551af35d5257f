/** What a tile shows, in a dialog: a saved report, a text, or a question of its own as JSON. */
import { Link } from "@tanstack/react-router"
import { type FormEvent, useState } from "react"
import { useSavedList } from "../insights/saved/queries.ts"
import type { Tile } from "../lib/api.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Labelled } from "../ui/fields.tsx"
import { Answered } from "../ui/parts.tsx"
import { Picker } from "../ui/picker.tsx"

export type TileKind = "report" | "text" | "question"

export function kindOf(tile: Tile): TileKind {
  return tile.text ? "text" : tile.question ? "question" : "report"
}

/** `onDone` gets the whole tile. The server checks it when the dashboard is saved. */
export function TileForm(props: { kind: TileKind; tile?: Tile; onDone: (tile: Tile) => void; onClose: () => void }) {
  const { kind, tile = {} } = props
  const [title, setTitle] = useState(tile.title ?? "")
  const [report, setReport] = useState(tile.report ?? "")
  const [text, setText] = useState(tile.text ?? "")
  const [question, setQuestion] = useState(tile.question ? JSON.stringify(tile.question, null, 2) : "")
  const [problem, setProblem] = useState("")
  const empty = { report: report === "", text: text.trim() === "", question: question.trim() === "" }[kind]
  const action = props.tile ? "Change it" : "Add it"

  function submit(event: FormEvent): void {
    event.preventDefault()
    const size = props.tile || kind !== "text" ? {} : { width: 12, height: 1 + Math.ceil(text.split("\n").length / 4) }
    try {
      const content =
        kind === "report" ? { report } : kind === "text" ? { text: text.trim() } : { question: JSON.parse(question) }
      props.onDone({ width: tile.width, height: tile.height, ...size, title: title.trim(), ...content })
    } catch (found) {
      setProblem(`This is not JSON: ${(found as Error).message}`)
    }
  }

  return (
    <Dialog
      title={`${props.tile ? "Edit the" : "Add a"} ${TITLES[kind]}`}
      wide={kind !== "report"}
      onClose={props.onClose}
    >
      <form className="form" onSubmit={submit}>
        {kind === "report" && <ReportField value={report} onChange={setReport} />}
        {kind === "text" && (
          <Labelled label="Text" hint="Markdown: # heading, - list, **bold**, `code`, [link](https://…)">
            {(names) => (
              <textarea
                {...names}
                className="field mono"
                rows={8}
                value={text}
                onChange={({ target }) => setText(target.value)}
              />
            )}
          </Labelled>
        )}
        {kind === "question" && (
          <Labelled label="Question" problem={problem} hint="As the API takes it: JSON with its kind.">
            {(names) => (
              <textarea
                {...names}
                className="field mono"
                rows={14}
                spellCheck={false}
                value={question}
                onChange={({ target }) => {
                  setQuestion(target.value)
                  setProblem("")
                }}
              />
            )}
          </Labelled>
        )}
        <Labelled label="Title" hint={kind === "report" ? "The name of the report, if it is empty." : undefined}>
          {(names) => (
            <input
              {...names}
              className="field"
              autoComplete="off"
              value={title}
              onChange={({ target }) => setTitle(target.value)}
            />
          )}
        </Labelled>
        <div className="dialog-foot">
          <button type="button" className="button" onClick={props.onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={empty}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

const TITLES: Record<TileKind, string> = { report: "report", text: "text", question: "question" }

function ReportField({ value, onChange }: { value: string; onChange: (report: string) => void }) {
  const reports = useSavedList("reports")
  return (
    <Answered answer={reports} lines={2}>
      {(all) =>
        all.length ? (
          <Labelled label="Report">
            {(names) => (
              <Picker
                {...names}
                value={value}
                options={all.map(({ key, name, description }) => ({
                  value: key,
                  title: name || key,
                  hint: description || key,
                }))}
                placeholder="Find a report"
                onChange={onChange}
              />
            )}
          </Labelled>
        ) : (
          <p className="mute">
            No report is saved. Ask a question in <Link to="/insights/trends">Trends</Link>, and press Save.
          </p>
        )
      }
    </Answered>
  )
}
