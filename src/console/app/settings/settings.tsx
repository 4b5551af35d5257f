/** What can be set: in this browser, and for the environment by its policies. */
import { Link } from "@tanstack/react-router"
import { useDraftsOf } from "../editor/drafts.ts"
import { useSingleKeys } from "../lib/keys.ts"
import { useMay, useMe } from "../lib/me.ts"
import { THEMES, useTheme } from "../lib/theme.ts"
import { Choice, Tick } from "../ui/fields.tsx"
import { Badge, NeedsAdmin, Page, Panel, When } from "../ui/parts.tsx"
import { POLICIES } from "./policies.ts"
import { usePolicyVersions } from "./queries.ts"
import "./settings.css"

const THEME_NAMES = { system: "As the system", light: "Light", dark: "Dark" }

export function SettingsPage() {
  const may = useMay("admin")
  return (
    <Page title="Settings" lead="How messages are handled in this environment, and how this browser shows the console.">
      <div className="columns">
        <div>
          <Panel title="Policies">{may ? <Policies /> : <NeedsAdmin what="Policies" />}</Panel>
        </div>
        <div>
          <ThisBrowser />
          <Environment />
        </div>
      </div>
    </Page>
  )
}

function Policies() {
  const drafts = useDraftsOf("policy")
  return (
    <ul className="policies">
      {POLICIES.map(({ name, title, about }) => (
        <li key={name}>
          <Link className="row-link" to="/settings/$name" params={{ name }}>
            {title}
          </Link>
          <p className="mute">{about}</p>
          <p className="policy-state small">
            {drafts.includes(name) && <Badge tone="warn">draft</Badge>} <InForce name={name} />
          </p>
        </li>
      ))}
    </ul>
  )
}

function InForce({ name }: { name: string }) {
  const { data, error } = usePolicyVersions(name, 1)
  const newest = data?.[0]
  if (!newest) return <span className="mute">{error ? error.message : "…"}</span>
  if (newest.version === 0) return <span className="mute">The defaults are in force.</span>
  return (
    <span className="mute">
      Version {newest.version}, {newest.changedBy}, <When at={newest.changedAt ?? null} />
    </span>
  )
}

function ThisBrowser() {
  const [theme, chooseTheme] = useTheme()
  const [keys, chooseKeys] = useSingleKeys()
  return (
    <Panel title="This browser">
      <div className="preferences">
        <Choice
          label="Theme"
          options={THEMES.map((value) => ({ value, title: THEME_NAMES[value] }))}
          value={theme}
          onChange={chooseTheme}
        />
        <Tick
          label="Keys of a single character"
          hint="Such as j, k and g s. Press ? for all of them."
          checked={keys}
          onChange={chooseKeys}
        />
      </div>
    </Panel>
  )
}

function Environment() {
  const me = useMe()
  if (!me) return null
  return (
    <Panel title="Environment">
      <dl className="pairs">
        <div>
          <dt>Name</dt>
          <dd>{me.environment.key}</dd>
        </div>
        <div>
          <dt>Zone</dt>
          <dd>{me.environment.zone}</dd>
        </div>
        <div>
          <dt>This key may</dt>
          <dd>{me.abilities.join(", ")}</dd>
        </div>
      </dl>
    </Panel>
  )
}
