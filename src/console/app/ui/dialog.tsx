/** Dialogs: one that asks for something, and one that asks whether. */
import { X } from "lucide-react"
import { AlertDialog, Dialog as Primitive } from "radix-ui"
import { type ReactNode, useState } from "react"
import { useMe } from "../lib/me.ts"
import { Failed } from "./parts.tsx"

/** A dialog over the page. Escape and a press outside close it; the focus returns to where it was. */
export function Dialog(props: {
  title: string
  /** What it is about, below the title. */
  lead?: ReactNode
  onClose: () => void
  wide?: boolean
  /** It holds what is shown only once: a press outside does not close it. */
  keep?: boolean
  children: ReactNode
}) {
  return (
    <Primitive.Root open onOpenChange={(open) => open || props.onClose()}>
      <Primitive.Portal>
        <Primitive.Overlay className="overlay" />
        <Primitive.Content
          className={props.wide ? "dialog wide" : "dialog"}
          aria-describedby={undefined}
          onInteractOutside={(event) => props.keep && event.preventDefault()}
        >
          <Primitive.Title>{props.title}</Primitive.Title>
          {props.lead && <div className="mute">{props.lead}</div>}
          {props.children}
          {/* Last, so that the first field has the focus. */}
          <Primitive.Close className="icon-button close" aria-label="Close">
            <X aria-hidden="true" />
          </Primitive.Close>
        </Primitive.Content>
      </Primitive.Portal>
    </Primitive.Root>
  )
}

/**
 * Asks whether something that cannot be taken back is meant. It names the environment, and Cancel has the focus.
 *
 * What goes is in `children`; it comes from a dry run. `typed` has to be typed before the button works.
 */
export function Confirm(props: {
  title: string
  action: string
  typed?: string
  busy?: boolean
  problem?: Error | null
  onConfirm: () => void
  onClose: () => void
  children: ReactNode
}) {
  const me = useMe()
  const [text, setText] = useState("")
  const ready = !props.busy && (props.typed === undefined || text.trim() === props.typed)
  return (
    <AlertDialog.Root open onOpenChange={(open) => open || props.onClose()}>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className="overlay" />
        <AlertDialog.Content className="dialog" aria-describedby={undefined}>
          <AlertDialog.Title>{props.title}</AlertDialog.Title>
          <p className="mute">
            In the environment <b className="environment">{me?.environment.key ?? "…"}</b>
          </p>
          <div className="dialog-body">{props.children}</div>
          {props.typed !== undefined && (
            <label className="labelled">
              <span>
                Type <code>{props.typed}</code>
              </span>
              <input
                className="field"
                value={text}
                autoComplete="off"
                spellCheck={false}
                onChange={(event) => setText(event.target.value)}
              />
            </label>
          )}
          {props.problem && <Failed problem={props.problem} />}
          <div className="dialog-foot">
            <AlertDialog.Cancel className="button">Cancel</AlertDialog.Cancel>
            <button type="button" className="button danger" disabled={!ready} onClick={props.onConfirm}>
              {props.action}
            </button>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}
