/** The rules of a flag, as they are read. */
import { Link } from "@tanstack/react-router"
import type { FlagBody, RuleBody } from "../lib/api.ts"
import { value } from "../lib/format.ts"
import { entriesOf } from "../lib/json.ts"
import { Badge, Code, Panel } from "../ui/parts.tsx"
import { SplitBar } from "./split_bar.tsx"

export function Rules({ of, live = true }: { of: FlagBody; live?: boolean }) {
  const { rules = [], variants = {}, offVariant = "", overrides = [] } = of
  const otherwise = of.default?.serve ?? offVariant
  return (
    <>
      <Panel title="Rules" aside={<span className="mute">the first that applies decides</span>}>
        {live && !of.enabled && (
          <p className="notice warn">
            <span>
              This flag is off. Everyone gets <code>{offVariant}</code>.
            </span>
          </p>
        )}
        <Before of={of} />
        <ol className="rules">
          {overrides.map((override) => (
            <li key={JSON.stringify(override)}>
              <header>
                <span>
                  <Badge>override</Badge>{" "}
                  {override.segment ? (
                    <>
                      segment{" "}
                      <Link to="/segments/$name" params={{ name: override.segment }}>
                        {override.segment}
                      </Link>
                    </>
                  ) : override.identifier ? (
                    <>
                      {override.identifier.kind} <b>{override.identifier.value}</b>
                    </>
                  ) : (
                    <b>{override.profile}</b>
                  )}
                </span>
                <Serves variant={override.serve} />
              </header>
            </li>
          ))}
          {rules.map((rule, index) => (
            <li key={rule.id ?? index}>
              <header>
                <b>{nameOf(rule, index)}</b>
                <span className="facts">
                  <Admits rule={rule} />
                  {rule.serve && <Serves variant={rule.serve} />}
                </span>
              </header>
              <Code source={rule.when} />
              {rule.split && <SplitBar split={rule.split} />}
            </li>
          ))}
          <li className="otherwise">
            <header>
              <b>otherwise</b>
              <Serves variant={otherwise} />
            </header>
          </li>
        </ol>
      </Panel>
      <Panel title="Variants" aside={<span className="mute">{of.type}</span>}>
        <dl className="pairs">
          {entriesOf(variants).map(([variant, given]) => (
            <div key={variant}>
              <dt>
                <code>{variant}</code>
              </dt>
              <dd>
                {given === "" ? <span className="mute">empty text</span> : value(given)}{" "}
                {variant === offVariant && <Badge>while off</Badge>} {variant === otherwise && <Badge>default</Badge>}
              </dd>
            </div>
          ))}
        </dl>
      </Panel>
    </>
  )
}

/** The one rule of a short flag has an id that says nothing. */
function nameOf({ id }: RuleBody, index: number): string {
  return id && id !== "rule" ? id : `rule ${index + 1}`
}

function Serves({ variant }: { variant: string }) {
  return (
    <span>
      serves <code>{variant}</code>
    </span>
  )
}

/** What comes before the rules: other flags, and what is kept. */
function Before({ of }: { of: FlagBody }) {
  const { prerequisites = [], holdouts = [] } = of
  const kept = [
    of.sticky && "A person keeps the variant that a rollout or split gave them.",
    of.stickyFor && `A session keeps its variant until it has been silent for ${of.stickyFor}.`,
    of.evaluation === "client" && "Clients may decide it by themselves, and see its rules.",
  ].filter((line) => typeof line === "string")
  return (
    <>
      {prerequisites.map(({ flag, variants: needed }) => (
        <p key={flag}>
          Needs{" "}
          <Link to="/flags/$name" params={{ name: flag }}>
            {flag}
          </Link>{" "}
          to serve <code>{needed.join(" or ")}</code>; else the off variant.
        </p>
      ))}
      {holdouts.map((flag) => (
        <p key={flag}>
          Held out by{" "}
          <Link to="/flags/$name" params={{ name: flag }}>
            {flag}
          </Link>
          : for whom it is on, no rule counts.
        </p>
      ))}
      {kept.map((line) => (
        <p key={line}>{line}</p>
      ))}
    </>
  )
}

function Admits({ rule }: { rule: RuleBody }) {
  return (
    <>
      {rule.rollout !== undefined && rule.rollout < 100 && <Badge tone="info">rollout {rule.rollout} %</Badge>}
      {rule.exposure !== undefined && rule.exposure < 100 && <Badge tone="info">exposure {rule.exposure} %</Badge>}
      {rule.exclusion && (
        <Badge tone="info">
          {rule.exclusion.group} {rule.exclusion.from}–{rule.exclusion.to} %
        </Badge>
      )}
    </>
  )
}
