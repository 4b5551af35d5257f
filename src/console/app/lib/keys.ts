/** Keys that are a single character: they can be switched off, and rest while a person types or a dialog is open. */
import { useEffect, useRef, useSyncExternalStore } from "react"

const PLACE = "tinycdp-single-keys"
const listeners = new Set<() => void>()

export function singleKeysAreOn(): boolean {
  return localStorage.getItem(PLACE) !== "off"
}

export function useSingleKeys(): [boolean, (on: boolean) => void] {
  const on = useSyncExternalStore((changed) => {
    listeners.add(changed)
    return () => listeners.delete(changed)
  }, singleKeysAreOn)
  return [on, choose]
}

function choose(on: boolean): void {
  if (on) localStorage.removeItem(PLACE)
  else localStorage.setItem(PLACE, "off")
  for (const changed of listeners) changed()
}

/** The character that was pressed alone, if it may act as a command now. */
export function singleKey(event: KeyboardEvent): string | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return undefined
  if (event.key.length !== 1 || isTyping(event.target) || !singleKeysAreOn()) return undefined
  return document.querySelector("[role=dialog], [role=alertdialog]") ? undefined : event.key
}

/** Do this when the character is pressed alone. */
export function useSingleKey(wanted: string, act: () => void): void {
  const latest = useRef(act)
  latest.current = act
  useEffect(() => {
    function onKey(event: KeyboardEvent): void {
      if (singleKey(event) !== wanted) return
      event.preventDefault()
      latest.current()
    }
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  }, [wanted])
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
}
