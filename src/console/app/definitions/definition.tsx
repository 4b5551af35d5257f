import { Link, useParams } from "@tanstack/react-router"
import type { Flag, NamedDefinition, Segment, Version } from "../lib/api.ts"
import { count, plural, value } from "../lib/format.ts"
import { PeopleTable } from "../people/table.tsx"
import { Answered, Badge, Code, Page, Panel, When } from "../ui/parts.tsx"
import { type Definition, type Kind, kindOf, sourceOf, WORDS } from "./kinds.ts"
import { useDefinition, useExplanation, useImpact, useMembers, useVersions } from "./queries.ts"
import { State } from "./state.tsx"

export function DefinitionPage({ kind }: { kind: Kind }) {
  const { name = "" } = useParams({ strict: false })
  const answer = useDefinition(kind, name)
  const one = answer.data
  return (
    <Page
      title={name}
      above={<Link to={`/${kind}`}>{WORDS[kind].title}</Link>}
      lead={one?.description}
      aside={
        one && (
          <p className="facts">
            <State of={one} />
            {"document" in one && (one.enabled ? <Badge tone="good">on</Badge> : <Badge>off</Badge>)}
            {"members" in one && one.members !== null && (
              <span>
                <b>{count(one.members)}</b> {one.members === 1 ? "member" : "members"}
              </span>
            )}
            {"expression" in one && <Badge>{one.type === "dyn" ? "any type" : one.type}</Badge>}
            <span className="mute">version {one.version}</span>
          </p>
        )
      }
    >
      <Answered answer={answer} lines={8}>
        {(definition) => <Content kind={kind} of={definition} />}
      </Answered>
    </Page>
  )
}

function Content({ kind, of }: { kind: Kind; of: Definition }) {
  return (
    <div className="columns">
      <div className="main-column">
        {"document" in of ? <Rules of={of} /> : <Expression of={of} />}
        <InWords kind={kind} of={of} />
        {"members" in of && <MembersOf of={of} />}
      </div>
      <div className="side-column">
        <ImpactOf kind={kind} name={of.key} />
        <VersionsOf kind={kind} name={of.key} />
      </div>
    </div>
  )
}

function Expression({ of }: { of: Exclude<Definition, Flag> }) {
  if ("static" in of && of.static) {
    return (
      <Panel title="List">
        <p className="mute">
          Its members are listed one by one, not found by a rule. The list has {plural(of.listed ?? 0, "identifier")}.
        </p>
      </Panel>
    )
  }
  return (
    <Panel title={"expression" in of ? "Expression" : "Rule"}>
      <Code source={sourceOf(of)} />
    </Panel>
  )
}

function Rules({ of }: { of: Flag }) {
  const { rules = [], variants = {}, offVariant, default: otherwise, prerequisites = [], holdouts = [] } = of.document
  return (
    <Panel title="Rules" aside={<span className="mute">the first that applies decides</span>}>
      {!of.enabled && (
        <p className="notice warn">
          This flag is off. Everyone gets <code>{offVariant}</code>.
        </p>
      )}
      {prerequisites.map(({ flag, variants: needed }) => (
        <p key={flag}>
          Needs{" "}
          <Link to="/flags/$name" params={{ name: flag }}>
            {flag}
          </Link>{" "}
          to be <code>{needed.join(" or ")}</code>.
        </p>
      ))}
      {holdouts.length > 0 && <p>Held out: {holdouts.join(", ")}.</p>}
      <ol className="rules">
        {rules.map((rule, index) => (
          <li key={rule.id ?? index}>
            <header>
              <b>{rule.id || `rule ${index + 1}`}</b>
              <span>
                {rule.rollout !== undefined && rule.rollout < 100 && (
                  <Badge tone="info">{rule.rollout} % of people</Badge>
                )}{" "}
                {rule.serve && (
                  <>
                    serves <code>{rule.serve}</code>
                  </>
                )}
              </span>
            </header>
            <Code source={rule.when} />
            {rule.split && <SplitBar split={rule.split} />}
          </li>
        ))}
        <li className="otherwise">
          <header>
            <b>otherwise</b>
            <span>
              serves <code>{otherwise?.serve ?? offVariant}</code>
            </span>
          </header>
        </li>
      </ol>
      <h3>Variants</h3>
      <dl className="pairs">
        {Object.entries(variants).map(([variant, given]) => (
          <div key={variant}>
            <dt>
              <code>{variant}</code>
            </dt>
            <dd>{given === "" ? "empty text" : value(given)}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  )
}

function SplitBar({ split }: { split: Record<string, number> }) {
  const all = Object.values(split).reduce((sum, weight) => sum + weight, 0) || 1
  return (
    <ul className="split" aria-label="Split">
      {Object.entries(split).map(([variant, weight], index) => (
        <li key={variant} style={{ flexGrow: weight }} data-series={index % 6}>
          <code>{variant}</code> {value((100 * weight) / all)} %
        </li>
      ))}
    </ul>
  )
}

function InWords({ kind, of }: { kind: Kind; of: Definition }) {
  const answer = useExplanation(kind, of)
  if ("static" in of && of.static) return null
  return (
    <Panel title="In words">
      <Answered answer={answer} lines={3}>
        {(explained) => (
          <>
            {(explained.text ?? "").split("\n").map((line) => (
              <p key={line} className="sentence">
                {line}
              </p>
            ))}
            <Facts title="Changes" lines={explained.changes} />
            <Facts title="Unknown" lines={explained.unknown} />
          </>
        )}
      </Answered>
    </Panel>
  )
}

function Facts({ title, lines }: { title: string; lines: string[] }) {
  if (lines.length === 0) return null
  return (
    <>
      <h3>{title}</h3>
      <ul className="facts-list">
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </>
  )
}

function MembersOf({ of }: { of: Segment }) {
  const answer = useMembers(of.key)
  return (
    <Panel title="Members" aside={of.members !== null && <span className="mute">{count(of.members)} now</span>}>
      <Answered answer={answer} lines={6}>
        {({ members }) =>
          members.length ? (
            <>
              <PeopleTable people={members} last={{ title: "Entered", at: ({ enteredAt }) => enteredAt }} />
              {of.members !== null && of.members > members.length && (
                <p className="mute">The first {members.length} by profile id are shown.</p>
              )}
            </>
          ) : (
            <p className="mute">Its rule holds for no person now.</p>
          )
        }
      </Answered>
    </Panel>
  )
}

function ImpactOf({ kind, name }: { kind: Kind; name: string }) {
  const answer = useImpact(kind, name)
  return (
    <Panel title="Dependencies">
      <Answered answer={answer} lines={3}>
        {({ usedBy, uses, events, properties }) => {
          const names = events.flatMap(({ event }) => (event === null ? [] : [event]))
          return (
            <dl className="stacked">
              <dt>Used by</dt>
              <dd>{usedBy.length ? <Names of={usedBy} /> : <span className="mute">no other definition</span>}</dd>
              <dt>Uses</dt>
              <dd>{uses.length ? <Names of={uses} /> : <span className="mute">no other definition</span>}</dd>
              {names.length > 0 && (
                <>
                  <dt>Reads events</dt>
                  <dd>{names.join(", ")}</dd>
                </>
              )}
              {properties.length > 0 && (
                <>
                  <dt>Reads properties</dt>
                  <dd>{properties.join(", ")}</dd>
                </>
              )}
            </dl>
          )
        }}
      </Answered>
    </Panel>
  )
}

function Names({ of }: { of: NamedDefinition[] }) {
  return (
    <ul className="names">
      {of.map(({ kind, key }) => {
        const page = kindOf(kind)
        return (
          <li key={`${kind} ${key}`}>
            <span className="mute">{kind}</span>{" "}
            {page ? (
              <Link to={`/${page}/$name`} params={{ name: key }}>
                {key}
              </Link>
            ) : (
              key
            )}
          </li>
        )
      })}
    </ul>
  )
}

function VersionsOf({ kind, name }: { kind: Kind; name: string }) {
  const answer = useVersions(kind, name)
  return (
    <Panel title="Versions">
      <Answered answer={answer} lines={2}>
        {({ versions }) => (
          <ol className="versions">
            {[...versions]
              .sort((a, b) => b.version - a.version)
              .map((version) => (
                <li key={version.version}>
                  <details>
                    <summary>
                      <b>{version.version}</b> <span>{version.note || "no note"}</span>
                      <small>
                        {version.author}, <When at={version.publishedAt} />
                      </small>
                    </summary>
                    <Code source={textOf(version)} />
                  </details>
                </li>
              ))}
          </ol>
        )}
      </Answered>
    </Panel>
  )
}

function textOf({ document }: Version): string {
  if ("expression" in document && document.expression) return document.expression
  return JSON.stringify(document, null, 2)
}
