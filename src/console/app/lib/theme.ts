/** Light, dark, or as the system is. */
import { useSyncExternalStore } from "react"

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

const listeners = new Set<() => void>()

export function useTheme(): [Theme, (theme: Theme) => void] {
  const theme = useSyncExternalStore((changed) => {
    listeners.add(changed)
    return () => listeners.delete(changed)
  }, kept)
  return [theme, choose]
}

function choose(theme: Theme): void {
  localStorage.setItem(PLACE, theme)
  showTheme(theme)
  for (const changed of listeners) changed()
}
