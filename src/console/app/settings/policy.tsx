/** One policy: its document as a text, checked while it is typed, and its versions. */
import { Link, useParams } from "@tanstack/react-router"
import { useMemo, useState } from "react"
import { useDraft } from "../editor/drafts.ts"
import type { PolicyVersion } from "../lib/api.ts"
import { difference } from "../lib/difference.ts"
import { useMay, useMe } from "../lib/me.ts"
import { useRested } from "../lib/rested.ts"
import { Moved } from "../ui/conflict.tsx"
import { Dialog } from "../ui/dialog.tsx"
import { Diff } from "../ui/diff.tsx"
import { Labelled } from "../ui/fields.tsx"
import { Answered, Empty, Failed, NeedsAdmin, Page, Panel, When } from "../ui/parts.tsx"
import { POLICIES } from "./policies.ts"
import { type Document, usePolicyCheck, usePolicyVersions, usePublishPolicy } from "./queries.ts"
import "./settings.css"
import { documentOf, textOf } from "./text.ts"

type Policy = (typeof POLICIES)[number]

export function PolicyPage() {
  const { name = "" } = useParams({ strict: false })
  const policy = POLICIES.find((one) => one.name === name)
  const may = useMay("admin")
  const versions = usePolicyVersions(name)
  const above = <Link to="/settings">Settings</Link>
  if (!policy) {
    return (
      <Page title={name} above={above}>
        <Empty title="There is no such policy" />
      </Page>
    )
  }
  return (
    <Page title={policy.title} above={above} lead={policy.about}>
      {may ? (
        <Answered answer={versions} lines={10}>
          {(all) => all[0] && <Editor key={name} policy={policy} versions={all} inForce={all[0]} />}
        </Answered>
      ) : (
        <NeedsAdmin what="Policies" />
      )}
    </Page>
  )
}

function Editor(props: { policy: Policy; versions: PolicyVersion[]; inForce: PolicyVersion }) {
  const { policy, versions, inForce } = props
  const { name } = policy
  const environment = useMe()?.environment.key ?? ""
  const published = useMemo(() => ({ text: textOf(inForce.document) }), [inForce])
  const draft = useDraft({ environment, kind: "policy", name }, inForce.version, published)
  const rested = useRested(draft.fields.text)
  const read = useMemo(() => documentOf(rested), [rested])
  const check = usePolicyCheck(name, draft.drafted ? read.document : undefined)
  const [reviewing, setReviewing] = useState(false)
  const problem = read.problem ?? (read.document && draft.drafted ? check.error?.message : undefined)
  const publish = usePublishPolicy(name, draft.finish)
  const moved = draft.drafted && draft.base !== inForce.version && !publish.isPending
  const checked = rested === draft.fields.text && !check.isFetching && !problem
  const ready = draft.drafted && !moved && checked && check.data !== undefined

  return (
    <div className="columns">
      <div>
        <Panel title="Document" aside={<InForce of={inForce} />}>
          {moved && (
            <Moved
              by={inForce.changedBy ?? null}
              version={inForce.version}
              theirs={textOf(inForce.document)}
              mine={draft.fields.text}
              goOn={() => draft.rebase(inForce.version, draft.fields)}
              takeTheirs={draft.discard}
            />
          )}
          <Labelled
            label={<span className="hidden">The document of the policy, as JSON</span>}
            problem={problem}
            hint={
              draft.drafted
                ? checked
                  ? "The server accepts it."
                  : "It is checked…"
                : "Fields that you leave out get their defaults."
            }
          >
            {(names) => (
              <textarea
                {...names}
                className="field mono policy-text"
                rows={Math.max(12, Math.min(32, draft.fields.text.split("\n").length))}
                spellCheck={false}
                value={draft.fields.text}
                onChange={(event) => draft.change({ text: event.target.value })}
              />
            )}
          </Labelled>
          {draft.replaced && (
            <div className="notice" role="status">
              <p>{draft.drafted ? "Another text of yours stood here." : "The draft is discarded."}</p>
              <button type="button" className="button" onClick={draft.bringBack}>
                Bring it back
              </button>
            </div>
          )}
          <div className="policy-foot">
            <button type="button" className="button primary" disabled={!ready} onClick={() => setReviewing(true)}>
              Review and publish
            </button>
            {draft.drafted && (
              <button type="button" className="button" onClick={draft.discard}>
                Discard the draft
              </button>
            )}
          </div>
        </Panel>
      </div>
      <div>
        <Panel title="Fields">
          <dl className="policy-fields">
            {policy.fields.map((field) => (
              <div key={field.name}>
                <dt>
                  <code>{field.name}</code>
                </dt>
                <dd>{field.means}</dd>
              </div>
            ))}
          </dl>
        </Panel>
        <Versions versions={versions} edit={(document) => draft.rebase(inForce.version, { text: textOf(document) })} />
      </div>
      {reviewing && check.data && (
        <Review
          policy={policy}
          inForce={inForce}
          document={check.data.document}
          publish={publish}
          onPublish={(document) =>
            publish.mutate({ document, base: draft.base }, { onSuccess: () => setReviewing(false) })
          }
          onClose={() => {
            if (!publish.isPending) publish.reset()
            setReviewing(false)
          }}
        />
      )}
    </div>
  )
}

function InForce({ of }: { of: PolicyVersion }) {
  if (of.version === 0) return <span className="mute">The defaults are in force</span>
  return <span className="mute">Version {of.version} is in force</span>
}

interface ReviewProps {
  policy: Policy
  inForce: PolicyVersion
  /** As the server reads it. */
  document: Document
  publish: { isPending: boolean; error: Error | null }
  onPublish: (document: Document) => void
  onClose: () => void
}

function Review({ policy, inForce, document, publish, onPublish, onClose }: ReviewProps) {
  const me = useMe()
  const text = difference(textOf(inForce.document), textOf(document))
  return (
    <Dialog
      wide
      title={`Publish the policy ${policy.name}?`}
      lead={
        <p>
          In the environment <b className="environment">{me?.environment.key ?? "…"}</b>. It holds for all messages that
          arrive afterwards; what is stored does not change.
        </p>
      }
      onClose={onClose}
    >
      {text ? <Diff text={text} /> : <p>It means the same as what is in force.</p>}
      {publish.error && <Failed problem={publish.error} />}
      <div className="dialog-foot">
        <button type="button" className="button" onClick={onClose}>
          Back to editing
        </button>
        <button
          type="button"
          className="button primary"
          disabled={publish.isPending}
          onClick={() => onPublish(document)}
        >
          Publish
        </button>
      </div>
    </Dialog>
  )
}

function Versions({ versions, edit }: { versions: PolicyVersion[]; edit: (document: Document) => void }) {
  return (
    <Panel title="Versions">
      <ol className="policy-versions">
        {versions.map(({ version, document, changedAt, changedBy }, index) => {
          const before = versions[index + 1]
          return (
            <li key={version}>
              <details>
                <summary>
                  {version === 0 ? "The defaults" : `Version ${version}`}{" "}
                  <span className="mute small">
                    {changedBy && `${changedBy}, `}
                    {changedAt && <When at={changedAt} />}
                  </span>
                </summary>
                <Diff text={before ? difference(textOf(before.document), textOf(document)) : textOf(document)} />
                {index > 0 && (
                  <button type="button" className="button small" onClick={() => edit(document)}>
                    Edit from this version
                  </button>
                )}
              </details>
            </li>
          )
        })}
      </ol>
    </Panel>
  )
}
