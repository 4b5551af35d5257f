/**
 * What every editor of a definition has around its fields: the draft, the conflict, the review, and the way out.
 *
 * Laws: what can be published is what is shown; while something is missing, the page says what.
 */
import { useQueryClient } from "@tanstack/react-query"
import { Link, useNavigate } from "@tanstack/react-router"
import { type ReactNode, useEffect, useRef, useState } from "react"
import { type Kind, WORDS } from "../definitions/kinds.ts"
import { useDefinitions } from "../definitions/queries.ts"
import type { Published } from "../lib/api.ts"
import { RequestFailed } from "../lib/client.ts"
import { parsed, written } from "../lib/json.ts"
import { keyOf } from "../lib/key_of.ts"
import { Labelled } from "../ui/fields.tsx"
import { Page } from "../ui/parts.tsx"
import { type Change, isConflict, outcomeOf, useRemember } from "./changes.ts"
import { COMMAND, useCommand } from "./commands.ts"
import type { Drafting, DraftOf } from "./drafts.ts"
import { Review } from "./review.tsx"

interface FrameProps<Fields extends { name: string }> {
  kind: Kind
  of: DraftOf
  draft: Drafting<Fields>
  /** The version that serves, 0 without one. */
  version: number
  /** It existed when the draft began, and does no more. */
  deleted: boolean
  change: Change
  /** What the preview counts; nothing if no person moves. */
  counted: Change | undefined
  /** What is still to do before it can be published; "" if it can. */
  missing: string
  /** Shows the other version, and gets what gives the draft up. */
  conflict: ((takeTheirs: () => void) => ReactNode) | undefined
  /** The server refused the key. */
  onKeyRefused: (problem: RequestFailed) => void
  children: ReactNode
}

export function EditFrame<Fields extends { name: string }>(props: FrameProps<Fields>) {
  const { kind, of, draft, version, deleted, change, missing } = props
  const words = WORDS[kind]
  const navigate = useNavigate()
  const queries = useQueryClient()
  const remember = useRemember()
  const [reviewing, setReviewing] = useState(false)
  const here = useRef(true)
  useEffect(() => {
    here.current = true
    return () => {
      here.current = false
    }
  }, [])

  const review = () => (missing === "" ? setReviewing(true) : undefined)
  useCommand("s", review)
  useCommand("Enter", review)

  function leave(): void {
    if (of.name === "" || deleted) navigate({ to: `/${kind}` })
    else navigate({ to: `/${kind}/$name`, params: { name: of.name }, search: {} })
  }

  function wasPublished(answer: Published): void {
    draft.finish()
    remember(of.kind, change.key, outcomeOf(answer, change))
    if (here.current)
      navigate({ to: `/${kind}/$name`, params: { name: change.key }, search: {}, replace: of.name !== "" })
  }

  function wasRefused(problem: Error): void {
    if (!(problem instanceof RequestFailed)) return
    const aboutKey = problem.code === "KEY_EXISTS" || problem.code === "INVALID_KEY"
    if (aboutKey) props.onKeyRefused(problem)
    if (aboutKey || isConflict(problem)) setReviewing(false)
    if (isConflict(problem)) queries.invalidateQueries({ queryKey: ["definitions", kind] })
  }

  return (
    <Page
      title={of.name ? `Edit ${of.name}` : `New ${words.one}`}
      above={<Link to={`/${kind}`}>{words.title}</Link>}
      aside={
        <div className="edit-actions">
          <span className="mute small" role="status">
            {draft.drafted ? (version > 0 ? `Draft of version ${draft.base}, kept` : "Draft, kept") : ""}
          </span>
          {draft.drafted && (
            <button type="button" className="button" onClick={draft.discard}>
              Discard draft
            </button>
          )}
          <button type="button" className="button" onClick={leave}>
            Close
          </button>
          <button
            type="button"
            className="button primary"
            aria-disabled={missing !== ""}
            aria-describedby="missing"
            onClick={review}
          >
            Review and publish <kbd>{COMMAND}S</kbd>
          </button>
        </div>
      }
    >
      <p id="missing" className="missing mute small">
        {missing}
      </p>
      {draft.replaced && !draft.drafted && (
        <div className="notice" role="status">
          <p>The draft is discarded.</p>
          <button type="button" className="button" onClick={draft.bringBack}>
            Bring it back
          </button>
        </div>
      )}
      {deleted && (
        <div className="notice warn" role="alert">
          <p>
            {of.name} was deleted. {draft.drafted ? "Your draft is kept: publish it, and the key exists again." : ""}
          </p>
        </div>
      )}
      {props.conflict?.(draft.discard)}
      {props.children}
      {reviewing && (
        <Review
          title={
            version > 0
              ? `Publish version ${version + 1} of ${change.key}`
              : `Publish the new ${words.one} ${change.key}`
          }
          change={change}
          previewed={props.counted}
          onClose={() => setReviewing(false)}
          onPublished={wasPublished}
          onRefused={wasRefused}
        />
      )}
    </Page>
  )
}

/** The last change that can be counted: it stays while the draft is not valid. */
export function useCounted(change: Change, valid: boolean, differs: boolean): Change | undefined {
  const now = written(change)
  const [counted, setCounted] = useState<string>()
  useEffect(() => {
    if (!differs) setCounted(undefined)
    else if (valid) setCounted(now)
  }, [now, valid, differs])
  return counted === undefined ? undefined : (parsed(counted) as Change)
}

/** What the server takes for a key. An expression names a trait as it stands. */
const NAMED = { like: /^[\w.~:-]{1,64}$/, words: "A key is 1 to 64 letters, digits and ._~:-, without spaces." }
const KEYS: Record<Kind, typeof NAMED> = {
  traits: { like: /^[A-Za-z_]\w{0,63}$/, words: "A trait's key is 1 to 64 letters, digits and _, no digit first." },
  segments: NAMED,
  flags: NAMED,
}

export function KeyField(props: { kind: Kind; value: string; problem?: string; onChange: (key: string) => void }) {
  const others = useDefinitions(props.kind).data ?? []
  const taken = others.some(({ key }) => key === props.value)
  const one = WORDS[props.kind].one
  const wrong = props.value !== "" && !KEYS[props.kind].like.test(props.value)
  const instead = keyOf(props.value)
  return (
    <Labelled
      label="Key"
      hint="What expressions and applications call it. It can be renamed later."
      problem={
        props.problem ??
        (wrong ? KEYS[props.kind].words : taken ? `There is a ${one} ${props.value} already.` : undefined)
      }
    >
      {(names) => (
        <div className="key-field">
          <input
            {...names}
            className="field mono"
            value={props.value}
            autoComplete="off"
            spellCheck={false}
            // biome-ignore lint/a11y/noAutofocus: the page is about this field
            autoFocus
            onChange={(event) => props.onChange(event.target.value.trimStart())}
            onBlur={() => props.value !== props.value.trimEnd() && props.onChange(props.value.trimEnd())}
          />
          {wrong && instead && (
            <button type="button" className="button" onClick={() => props.onChange(instead)}>
              Call it {instead}
            </button>
          )}
        </div>
      )}
    </Labelled>
  )
}
