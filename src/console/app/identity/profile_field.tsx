import { useState } from "react"
import { useWanted } from "../people/span.tsx"

/** Of which profile: `?profile=` has an identifier, as the server takes it. It holds when Enter is pressed. */
export function ProfileField() {
  const [{ profile = "" }, want] = useWanted()
  const [typed, setTyped] = useState<string>()
  const take = (text: string) => {
    setTyped(undefined)
    if (text.trim() !== profile) want({ profile: text.trim() })
  }
  return (
    <div className="filters">
      <label>
        <span>of the person</span>
        <input
          type="search"
          className="field filter"
          placeholder="An identifier   /"
          autoComplete="off"
          spellCheck={false}
          value={typed ?? profile}
          onChange={(event) => (event.target.value === "" ? take("") : setTyped(event.target.value))}
          onBlur={(event) => take(event.target.value)}
          onKeyDown={(event) => event.key === "Enter" && take(event.currentTarget.value)}
        />
      </label>
    </div>
  )
}
