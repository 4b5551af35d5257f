/** Erase, suppress or release by identifiers that are typed, or that are the lines of a file. */
import { type ReactNode, useState } from "react"
import { plural } from "../lib/format.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Labelled } from "../ui/fields.tsx"
import { EraseDialog } from "./erase.tsx"
import { type Identifier, linesOf, namedIdentifier } from "./lines.ts"
import { SuppressDialog } from "./suppress.tsx"

const MOST_ERASED = 1_000
const MOST_SUPPRESSED = 10_000

export function EraseMany({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("")
  const [sure, setSure] = useState(false)
  const profiles = linesOf(text)
  const [only] = profiles
  if (sure && only !== undefined) {
    const many = plural(profiles.length, "identifier")
    return (
      <EraseDialog
        title={profiles.length === 1 ? `Erase ${only}?` : `Erase ${many}?`}
        profiles={profiles}
        typed={profiles.length === 1 ? only : `erase ${profiles.length}`}
        onClose={onClose}
      />
    )
  }
  return (
    <Lines
      title="Erase people"
      lead="You see what goes before anything happens."
      hint={`An identifier, kind:value or profileId:number in each line; ${plural(MOST_ERASED, "line")} at most.`}
      {...{ text, setText }}
      problem={profiles.length > MOST_ERASED ? `These are ${plural(profiles.length, "line")}. Erase in parts.` : ""}
      ready={profiles.length > 0}
      onNext={() => setSure(true)}
      onClose={onClose}
    />
  )
}

export function SuppressMany({ release, onClose }: { release: boolean; onClose: () => void }) {
  const [text, setText] = useState("")
  const [sure, setSure] = useState<Identifier[]>()
  const lines = linesOf(text)
  const wrong = lines.find((line) => namedIdentifier(line) === null)
  if (sure) return <SuppressDialog identifiers={sure} release={release} place="privacy" onClose={onClose} />
  return (
    <Lines
      title={release ? "Accept messages again" : "Reject messages"}
      lead={release ? "Of identifiers that are suppressed." : "Of people who object, whether they are known or not."}
      hint={`kind:value in each line, as userId:ada; ${plural(MOST_SUPPRESSED, "line")} at most.`}
      {...{ text, setText }}
      problem={
        wrong !== undefined
          ? `“${wrong.slice(0, 80)}” has no kind: write userId:${wrong.slice(0, 80)}, or another kind.`
          : lines.length > MOST_SUPPRESSED
            ? `These are ${plural(lines.length, "line")}. Do it in parts.`
            : ""
      }
      ready={lines.length > 0}
      onNext={() => setSure(lines.flatMap((line) => namedIdentifier(line) ?? []))}
      onClose={onClose}
    />
  )
}

function Lines(props: {
  title: string
  lead: ReactNode
  hint: string
  text: string
  setText: (text: string) => void
  problem: string
  ready: boolean
  onNext: () => void
  onClose: () => void
}) {
  const { text, setText, problem } = props
  return (
    <Dialog title={props.title} lead={props.lead} onClose={props.onClose}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          props.onNext()
        }}
      >
        <Labelled label="Identifiers, one a line" hint={props.hint} problem={problem}>
          {(names) => <LinesField names={names} value={text} onChange={setText} />}
        </Labelled>
        <div className="dialog-foot">
          <button type="button" className="button" onClick={props.onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={!props.ready || problem !== ""}>
            See what happens
          </button>
        </div>
      </form>
    </Dialog>
  )
}

/** A field of lines, which a file can fill. */
export function LinesField(props: { names: object; value: string; onChange: (text: string) => void }) {
  return (
    <>
      <textarea
        className="field mono"
        {...props.names}
        rows={4}
        spellCheck={false}
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
      />
      <input
        type="file"
        className="lines-file"
        aria-label="A file with a line for each"
        accept=".txt,.csv,text/plain,text/csv"
        onChange={async (event) => {
          const [file] = event.target.files ?? []
          if (file) props.onChange(await file.text())
        }}
      />
    </>
  )
}
