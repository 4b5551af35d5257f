/**
 * Events without code: `@tinycdp/sdk/auto`. Each is an entry of the option `plugins`.
 *
 * @packageDocumentation
 */
import type { Plugin } from "./types"

/** Call `page` at the start and whenever the address changes, in single-page apps, too. */
export function pageViews(): Plugin {
  return (tracker, ended) => {
    let seen = ""
    const look = () => {
      if (location.href === seen || ended.aborted) return
      seen = location.href
      tracker.page()
    }
    // Routers set the title after the address: a moment later both are right.
    const later = () => void setTimeout(look)
    for (const name of ["pushState", "replaceState"] as const) {
      const original = history[name]
      const wrapped: typeof original = function (this: History, ...given) {
        original.apply(this, given)
        later()
      }
      history[name] = wrapped
      ended.addEventListener("abort", () => {
        if (history[name] === wrapped) history[name] = original
      })
    }
    addEventListener("popstate", later, { signal: ended })
    look()
  }
}

/**
 * Track clicks on elements with `data-track="Event name"`, and submits of such forms. `data-track-plan="pro"` is the
 * property `plan`.
 */
export function dataAttributes(): Plugin {
  return (tracker, ended) => {
    const listen = (type: string, selector: string) =>
      document.addEventListener(
        type,
        (event) => {
          const element = (event.target as Element | null)?.closest?.<HTMLElement>(selector)
          if (!element) return
          const properties: Record<string, unknown> = {}
          for (const [name, value] of Object.entries(element.dataset)) {
            // data-track-plan is read as trackPlan.
            if (/^track[A-Z]/.test(name)) properties[name.charAt(5).toLowerCase() + name.slice(6)] = value
          }
          tracker.track(element.dataset.track as never, properties as never)
        },
        { capture: true, signal: ended },
      )
    listen("click", "[data-track]:not(form)")
    listen("submit", "form[data-track]")
  }
}
