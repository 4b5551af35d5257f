/** What surrounds every page: where one is, where one can go, and who one is. */
import { useQueryClient } from "@tanstack/react-query"
import { Link, Outlet, useRouterState } from "@tanstack/react-router"
import { BookOpen, LogOut, Menu, Monitor, Moon, Search, Sun, X } from "lucide-react"
import { Dialog } from "radix-ui"
import { useEffect, useState } from "react"
import { useMe } from "../lib/me.ts"
import { signOut, useSession } from "../lib/session.ts"
import { THEMES, type Theme, useTheme } from "../lib/theme.ts"
import { Empty } from "../ui/parts.tsx"
import { Banner } from "./banner.tsx"
import { Brand } from "./brand.tsx"
import { forget } from "./environment.ts"
import { Help } from "./help.tsx"
import { useKeyboard } from "./keyboard.ts"
import { usePages } from "./pages.ts"
import { Palette } from "./palette.tsx"
import { SignIn, SignInOver } from "./sign_in.tsx"

const THEME_ICONS: Record<Theme, typeof Sun> = { system: Monitor, light: Sun, dark: Moon }

export function Shell() {
  const session = useSession()
  const queries = useQueryClient()
  // A page that was open stays behind the sign-in when the server refuses its key.
  const [wasSignedIn, setSignedIn] = useState(session.key !== "")
  const [palette, setPalette] = useState(false)
  const [help, setHelp] = useState(false)
  const [sheet, setSheet] = useState(false)

  useEffect(() => {
    if (session.key) {
      setSignedIn(true)
      queries.invalidateQueries()
    } else if (!session.ended) {
      setSignedIn(false)
      forget(queries)
    }
  }, [session, queries])

  useKeyboard({ palette: () => setPalette(true), help: () => setHelp(true) })

  const path = useRouterState({ select: (state) => state.location.pathname })
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the sheet
  useEffect(() => setSheet(false), [path])

  if (!session.key && !wasSignedIn) return <SignIn />
  return (
    <div className="shell">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <aside className="side">
        <Navigation onSearch={() => setPalette(true)} />
      </aside>
      <header className="bar">
        <Dialog.Root open={sheet} onOpenChange={setSheet}>
          <Dialog.Trigger className="icon-button" aria-label="Menu">
            <Menu aria-hidden="true" />
          </Dialog.Trigger>
          <Dialog.Portal>
            <Dialog.Overlay className="overlay" />
            <Dialog.Content className="sheet" aria-describedby={undefined}>
              <Dialog.Title className="hidden">Menu</Dialog.Title>
              <Dialog.Close className="icon-button close" aria-label="Close the menu">
                <X aria-hidden="true" />
              </Dialog.Close>
              <Navigation
                onSearch={() => {
                  setSheet(false)
                  setPalette(true)
                }}
              />
            </Dialog.Content>
          </Dialog.Portal>
        </Dialog.Root>
        <Brand />
        <EnvironmentName />
      </header>
      <main id="content" tabIndex={-1}>
        <Banner />
        <Outlet />
      </main>
      {palette && <Palette close={() => setPalette(false)} help={() => setHelp(true)} />}
      {help && <Help close={() => setHelp(false)} />}
      {!session.key && <SignInOver reason={session.ended} />}
    </div>
  )
}

function EnvironmentName() {
  const me = useMe()
  if (!me) return null
  return (
    <span className="environment" title="The environment of this key">
      {me.environment.key}
    </span>
  )
}

function Navigation({ onSearch }: { onSearch: () => void }) {
  const groups = usePages()
  return (
    <nav aria-label="Pages">
      <div className="nav-head">
        <Brand />
        <EnvironmentName />
      </div>
      <button type="button" className="search-button" onClick={onSearch}>
        <Search aria-hidden="true" />
        <span>Go to…</span>
        <kbd>{/Mac|iP/.test(navigator.platform) ? "⌘K" : "Ctrl K"}</kbd>
      </button>
      <div className="nav-pages">
        {groups.map(({ group, pages }) => (
          <div className="nav-group" key={group}>
            <h2>{group}</h2>
            <ul>
              {pages.map(({ to, title, icon: Icon }) => (
                <li key={to}>
                  <Link
                    to={to}
                    activeProps={{ "aria-current": "page" }}
                    activeOptions={{ exact: to === "/" }}
                    title={title}
                  >
                    <Icon aria-hidden="true" />
                    <span>{title}</span>
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </div>
      <div className="nav-foot">
        <ThemeChoice />
        <a className="icon-button" href="/docs" aria-label="HTTP reference" title="HTTP reference">
          <BookOpen aria-hidden="true" />
        </a>
        <button type="button" className="icon-button" onClick={() => signOut()} aria-label="Sign out" title="Sign out">
          <LogOut aria-hidden="true" />
        </button>
      </div>
    </nav>
  )
}

function ThemeChoice() {
  const [chosen, choose] = useTheme()
  return (
    <fieldset className="themes">
      <legend className="hidden">Theme</legend>
      {THEMES.map((theme) => {
        const Icon = THEME_ICONS[theme]
        return (
          <button
            key={theme}
            type="button"
            className="icon-button"
            aria-pressed={theme === chosen}
            aria-label={`${theme} theme`}
            title={theme === "system" ? "As the system" : `${theme === "dark" ? "Dark" : "Light"}`}
            onClick={() => choose(theme)}
          >
            <Icon aria-hidden="true" />
          </button>
        )
      })}
    </fieldset>
  )
}

export function NotFound() {
  return (
    <Empty title="There is no such page">
      <p>
        <Link to="/segments">Go to the segments</Link>
      </p>
    </Empty>
  )
}
