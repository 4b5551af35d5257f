import { Labelled } from "../ui/fields.tsx"

/** Why something is done, for its history. */
export function NoteField(props: {
  value: string
  onChange: (note: string) => void
  placeholder?: string
  hint?: string
}) {
  return (
    <Labelled label="Note" hint={props.hint}>
      {(names) => (
        <input
          className="field"
          {...names}
          value={props.value}
          placeholder={props.placeholder}
          autoComplete="off"
          onChange={(event) => props.onChange(event.target.value)}
        />
      )}
    </Labelled>
  )
}
