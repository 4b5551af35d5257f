import { Flag, type LucideIcon, Tags, Users, UsersRound } from "lucide-react"

interface Group {
  group: string
  pages: { to: "/users" | "/traits" | "/segments" | "/flags"; title: string; icon: LucideIcon }[]
}

/** The pages that exist, in their groups. */
export const PAGES: Group[] = [
  { group: "Observe", pages: [{ to: "/users", title: "People", icon: Users }] },
  {
    group: "Define",
    pages: [
      { to: "/traits", title: "Traits", icon: Tags },
      { to: "/segments", title: "Segments", icon: UsersRound },
      { to: "/flags", title: "Flags", icon: Flag },
    ],
  },
]
