/** Light, dark, or as the system is. */
import { useState } from "react"

export const THEMES = ["system", "light", "dark"] as const
export type Theme = (typeof THEMES)[number]

const PLACE = "tinycdp-theme"

function kept(): Theme {
  const found = localStorage.getItem(PLACE)
  return THEMES.find((theme) => theme === found) ?? "system"
}

export function showTheme(theme: Theme = kept()): void {
  if (theme === "system") delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState(kept)
  function choose(next: Theme): void {
    localStorage.setItem(PLACE, next)
    showTheme(next)
    setTheme(next)
  }
  return [theme, choose]
}
