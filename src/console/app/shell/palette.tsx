/** ⌘K: pages, definitions and actions by a few letters, people by the start of an identifier or a name. */
import { useNavigate } from "@tanstack/react-router"
import { Dialog } from "radix-ui"
import { type KeyboardEvent, useEffect, useId, useState } from "react"
import { KINDS, WORDS } from "../definitions/kinds.ts"
import { useDefinitions } from "../definitions/queries.ts"
import { useMay } from "../lib/me.ts"
import { signOut } from "../lib/session.ts"
import { THEMES, useTheme } from "../lib/theme.ts"
import { nameOf } from "../people/names.ts"
import { useFound } from "../people/queries.ts"
import { usePages } from "./pages.ts"
import { ranked } from "./ranked.ts"

const MOST = 12

interface Choice {
  id: string
  title: string
  kind: string
  go: () => void
}

export function Palette({ close, help }: { close: () => void; help: () => void }) {
  const [text, setText] = useState("")
  const [at, setAt] = useState(0)
  const navigate = useNavigate()
  const list = useId()
  const [, setTheme] = useTheme()
  const open = (path: string) => () => void navigate({ href: path })
  const may = useMay("admin")
  const begun = ["trait", "segment", "flag"].map((kind) => ({
    id: `new/${kind}`,
    title: `New ${kind}`,
    kind: "action",
    go: open(`/new/${kind}`),
  }))
  const actions: Choice[] = [
    ...(may ? begun : []),
    ...THEMES.map((theme) => ({ id: theme, title: `Theme: ${theme}`, kind: "action", go: () => setTheme(theme) })),
    { id: "keys", title: "Show the keys", kind: "action", go: help },
    { id: "link", title: "Copy a link to this page", kind: "action", go: copyLink },
    { id: "out", title: "Sign out", kind: "action", go: () => signOut() },
  ]
  const choices = useChoices(text.trim(), open, actions)
  const chosen = Math.min(at, choices.length - 1)

  // biome-ignore lint/correctness/useExhaustiveDependencies: the chosen line is seen, whichever it is
  useEffect(() => {
    document.getElementById(`${list}-${chosen}`)?.scrollIntoView({ block: "nearest" })
  }, [chosen, list, text])

  function go(choice: Choice | undefined): void {
    if (!choice) return
    close()
    choice.go()
  }

  function onKey(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step !== undefined && choices.length) setAt((chosen + step + choices.length) % choices.length)
    else if (event.key === "Enter") go(choices[chosen])
    else return
    event.preventDefault()
  }

  return (
    <Dialog.Root open onOpenChange={(open) => open || close()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="palette" aria-describedby={undefined}>
          <Dialog.Title className="hidden">Go to</Dialog.Title>
          <input
            type="text"
            role="combobox"
            aria-label="Go to a page, a definition or a person, or do something"
            aria-expanded="true"
            aria-controls={list}
            aria-activedescendant={choices[chosen] && `${list}-${chosen}`}
            placeholder="A page, a definition, a person, an action"
            value={text}
            onChange={(event) => {
              setText(event.target.value)
              setAt(0)
            }}
            onKeyDown={onKey}
          />
          <div role="listbox" id={list} aria-label="Found">
            {choices.map((choice, index) => (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keyboard, as in every combobox
              // biome-ignore lint/a11y/useFocusableInteractive: aria-activedescendant of the field says which is chosen
              <div
                key={choice.id}
                id={`${list}-${index}`}
                role="option"
                aria-selected={index === chosen}
                onClick={() => go(choice)}
                onPointerMove={() => setAt(index)}
              >
                <span>{choice.title}</span>
                <small>{choice.kind}</small>
              </div>
            ))}
          </div>
          {choices.length === 0 && <p className="mute">Nothing is called so.</p>}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

function useChoices(text: string, open: (path: string) => () => void, actions: Choice[]): Choice[] {
  const lists = [useDefinitions("traits"), useDefinitions("segments"), useDefinitions("flags")]
  const people = useFound(text)
  const groups = usePages()
  const pages = groups
    .flatMap(({ pages }) => pages)
    .map(({ to, title }) => ({
      id: to,
      title,
      kind: "page",
      go: open(to),
    }))
  const definitions = KINDS.flatMap((kind, index) =>
    (lists[index]?.data ?? []).map(({ key }) => ({
      id: `${kind}/${key}`,
      title: key,
      kind: WORDS[kind].one,
      go: open(`/${kind}/${encodeURIComponent(key)}`),
    })),
  )
  const found = (people.data ?? []).map((person) => ({
    id: `users/${person.id}`,
    title: nameOf(person),
    kind: "person",
    go: open(`/users/${encodeURIComponent(person.id)}?by=profileId`),
  }))
  // Without a text: where one can go, and what one can do.
  if (!text) return [...pages, ...actions]
  return [...ranked([...pages, ...definitions, ...actions], text).slice(0, MOST), ...found.slice(0, MOST)]
}

function copyLink(): void {
  void navigator.clipboard.writeText(location.href)
}
