/** What a list is narrowed to: pressing it shows all again. */
export function Narrowed(props: { to: string; all: string; onClick: () => void }) {
  return (
    <button type="button" className="button small" aria-label={`${props.to}: ${props.all}`} onClick={props.onClick}>
      {props.to} <span aria-hidden="true">×</span>
    </button>
  )
}
