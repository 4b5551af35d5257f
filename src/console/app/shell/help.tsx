/** What the keys do, and the switch for those of a single character. */
import { useSingleKeys } from "../lib/keys.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Tick } from "../ui/fields.tsx"
import { usePages } from "./pages.ts"

const COMMAND = /Mac|iP/.test(navigator.platform) ? "⌘" : "Ctrl "

const KEYS: [string, string][] = [
  [`${COMMAND}K`, "go to a page, a definition, a person, or do something"],
  ["/", "go to the filter of the page"],
  ["j  k", "the next and the previous line of a list"],
  ["Enter", "open the line"],
  ["Esc", "close what is open"],
  ["?", "these keys"],
]

export function Help({ close }: { close: () => void }) {
  const [on, choose] = useSingleKeys()
  const letters = usePages()
    .flatMap(({ pages }) => pages)
    .filter(({ letter }) => letter)
  return (
    <Dialog title="Keys" onClose={close} wide>
      <div className="keys">
        <dl>
          {KEYS.map(([keys, does]) => (
            <div key={keys}>
              <dt>
                <kbd>{keys}</kbd>
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
        <dl>
          {letters.map(({ letter, title }) => (
            <div key={letter}>
              <dt>
                <kbd>g {letter}</kbd>
              </dt>
              <dd>{title}</dd>
            </div>
          ))}
        </dl>
      </div>
      <Tick label="Keys of a single character are on" checked={on} onChange={choose} />
    </Dialog>
  )
}
