/** Commands of the keyboard: a letter with ⌘ or Ctrl. They work wherever the focus is. */
import { useEffect, useRef } from "react"

export const COMMAND = /Mac|iP/.test(navigator.platform) ? "⌘" : "Ctrl "

/** Do this when the key is pressed with ⌘ or Ctrl. The one that was shown last has it: a dialog before its page. */
export function useCommand(wanted: string, act: () => void): void {
  const latest = useRef(act)
  latest.current = act
  useEffect(() => {
    const own = () => latest.current()
    const all = commands.get(wanted) ?? []
    commands.set(wanted, [...all, own])
    return () => {
      commands.set(
        wanted,
        (commands.get(wanted) ?? []).filter((one) => one !== own),
      )
    }
  }, [wanted])
}

const commands = new Map<string, (() => void)[]>()

addEventListener("keydown", (event) => {
  if (!(event.metaKey || event.ctrlKey) || event.altKey || event.shiftKey) return
  const act = commands.get(event.key)?.at(-1)
  if (!act) return
  event.preventDefault()
  act()
})
