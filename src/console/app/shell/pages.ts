import {
  BookMarked,
  Building2,
  ChartLine,
  FileInput,
  FileOutput,
  Fingerprint,
  Flag,
  FlaskConical,
  History,
  House,
  KeyRound,
  LayoutDashboard,
  type LucideIcon,
  Radio,
  RefreshCw,
  ScrollText,
  Send,
  Settings,
  ShieldAlert,
  ShieldCheck,
  Tags,
  Users,
  UsersRound,
} from "lucide-react"
import { useMe } from "../lib/me.ts"

interface ListedPage {
  to: string
  title: string
  icon: LucideIcon
  /** Goes there after `g`. */
  letter?: string
  /** It shows nothing to a key without this scope. */
  needs?: "admin"
}

interface Group {
  group: string
  pages: ListedPage[]
}

/** The pages that exist, in their groups. */
const PAGES: Group[] = [
  {
    group: "Observe",
    pages: [
      { to: "/", title: "Overview", icon: House, letter: "o" },
      { to: "/live", title: "Live", icon: Radio, letter: "l" },
      { to: "/users", title: "People", icon: Users, letter: "p" },
      { to: "/groups", title: "Groups", icon: Building2, letter: "u", needs: "admin" },
    ],
  },
  {
    group: "Define",
    pages: [
      { to: "/traits", title: "Traits", icon: Tags, letter: "t" },
      { to: "/segments", title: "Segments", icon: UsersRound, letter: "s" },
      { to: "/flags", title: "Flags", icon: Flag, letter: "f" },
      { to: "/changes", title: "Changes", icon: History, letter: "c" },
    ],
  },
  {
    group: "Analyse",
    pages: [
      { to: "/insights", title: "Insights", icon: ChartLine, letter: "i" },
      { to: "/dashboards", title: "Dashboards", icon: LayoutDashboard, letter: "d" },
      { to: "/experiments", title: "Experiments", icon: FlaskConical, letter: "e" },
    ],
  },
  {
    group: "Data",
    pages: [
      { to: "/registry", title: "Registry", icon: BookMarked, letter: "r" },
      { to: "/quality", title: "Quality", icon: ShieldAlert, letter: "q", needs: "admin" },
      { to: "/imports", title: "Imports", icon: FileInput, needs: "admin" },
      { to: "/exports", title: "Exports", icon: FileOutput },
      { to: "/destinations", title: "Destinations", icon: Send, letter: "w", needs: "admin" },
      { to: "/syncs", title: "Syncs", icon: RefreshCw, needs: "admin" },
    ],
  },
  {
    group: "Admin",
    pages: [
      { to: "/identity", title: "Identity", icon: Fingerprint, letter: "y", needs: "admin" },
      { to: "/privacy", title: "Privacy", icon: ShieldCheck, letter: "v", needs: "admin" },
      { to: "/keys", title: "Keys", icon: KeyRound, letter: "k", needs: "admin" },
      { to: "/audit", title: "Audit", icon: ScrollText, letter: "a", needs: "admin" },
      { to: "/settings", title: "Settings", icon: Settings, letter: "," },
    ],
  },
]

/** The pages that show something to this key, in their groups. */
export function usePages(): Group[] {
  const abilities = useMe()?.abilities ?? []
  const seen = ({ needs }: ListedPage) => needs === undefined || abilities.includes(needs)
  return PAGES.map(({ group, pages }) => ({ group, pages: pages.filter(seen) })).filter(({ pages }) => pages.length > 0)
}

/** Whether there is such a page for this key. */
export function usePage(to: string): boolean {
  return usePages().some(({ pages }) => pages.some((page) => page.to === to))
}
