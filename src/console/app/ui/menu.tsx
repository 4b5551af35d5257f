/** A button that opens a few others. */
import { ChevronDown } from "lucide-react"
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react"

export function Menu(props: { title: ReactNode; disabled?: boolean; children: (close: () => void) => ReactNode }) {
  const [open, setOpen] = useState(false)
  const place = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)

  useEffect(() => {
    if (!open) return
    function outside(event: Event): void {
      if (!place.current?.contains(event.target as Node)) setOpen(false)
    }
    addEventListener("pointerdown", outside)
    addEventListener("focusin", outside)
    return () => {
      removeEventListener("pointerdown", outside)
      removeEventListener("focusin", outside)
    }
  }, [open])

  function onKey(event: KeyboardEvent): void {
    const items = [...(place.current?.querySelectorAll<HTMLElement>(".menu-list button:not(:disabled)") ?? [])]
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (event.key === "Escape" && open) {
      setOpen(false)
      button.current?.focus()
    } else if (step !== undefined && open) {
      const at = items.indexOf(document.activeElement as HTMLElement)
      items[(at + step + items.length) % items.length]?.focus()
    } else return
    event.preventDefault()
    event.stopPropagation()
  }

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: its buttons have the keys
    <div className="menu" ref={place} onKeyDown={onKey}>
      <button
        ref={button}
        type="button"
        className="button"
        aria-expanded={open}
        disabled={props.disabled}
        onClick={() => setOpen(!open)}
      >
        {props.title} <ChevronDown aria-hidden="true" />
      </button>
      {open && <div className="menu-list">{props.children(() => setOpen(false))}</div>}
    </div>
  )
}
