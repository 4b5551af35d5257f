/** The keys that work on every page. */
import { useNavigate } from "@tanstack/react-router"
import { useEffect, useRef } from "react"
import { singleKey } from "../lib/keys.ts"
import { usePages } from "./pages.ts"

/** How long `g` waits for the letter of a page. */
const CHORD_MS = 1500
/** What `j` and `k` go through: links and buttons that stand for a line of a list. */
const LINES = "main .row-link, main [data-line]"

export interface Opened {
  palette: () => void
  help: () => void
}

export function useKeyboard(opened: Opened): void {
  const navigate = useNavigate()
  const pages = usePages().flatMap((group) => group.pages)
  const latest = useRef({ ...opened, pages })
  latest.current = { ...opened, pages }
  useEffect(() => {
    let chordUntil = 0
    function onKey(event: KeyboardEvent): void {
      if (event.key.toLowerCase() === "k" && (event.metaKey || event.ctrlKey)) {
        event.preventDefault()
        latest.current.palette()
        return
      }
      const key = singleKey(event)
      if (key === undefined) return
      const chord = event.timeStamp < chordUntil
      chordUntil = 0
      const page = chord ? latest.current.pages.find(({ letter }) => letter === key) : undefined
      if (page) navigate({ to: page.to })
      else if (key === "g") chordUntil = event.timeStamp + CHORD_MS
      else if (key === "?") latest.current.help()
      else if (key === "j") toLine(1)
      else if (key === "k") toLine(-1)
      else if (key === "/") {
        const filter = document.querySelector<HTMLInputElement>("main input[type=search]")
        if (!filter) return
        filter.focus()
      } else return
      event.preventDefault()
    }
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  }, [navigate])
}

function toLine(step: 1 | -1): void {
  const lines = [...document.querySelectorAll<HTMLElement>(LINES)].filter((line) => line.offsetParent !== null)
  const at = lines.indexOf(document.activeElement as HTMLElement)
  const next = at === -1 ? lines[0] : lines[at + step]
  next?.focus()
  next?.scrollIntoView({ block: "nearest" })
}
