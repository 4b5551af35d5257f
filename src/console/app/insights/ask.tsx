/** A question in words, which fills in the builder. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useNavigate, useSearch } from "@tanstack/react-router"
import { type FormEvent, useEffect, useState } from "react"
import type { AskedInWords as Understanding } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { useSession } from "../lib/session.ts"
import { Failed } from "../ui/parts.tsx"
import { type Question, textsOf } from "./query/question.ts"
import { pathOf } from "./tabs.ts"

function understanding(text: string) {
  return {
    queryKey: ["analytics", "ask", text],
    queryFn: () => ask<Understanding>(address(["analytics", "ask"]), { method: "POST", body: { text, run: false } }),
    staleTime: 60_000,
  }
}

/** The words are in the address, as long as the question is the one that they became. */
export function AskInWords() {
  const { asked = "" } = useSearch({ strict: false }) as { asked?: string }
  const { key } = useSession()
  const [text, setText] = useState(asked)
  useEffect(() => setText(asked), [asked])
  const navigate = useNavigate()
  const queries = useQueryClient()
  const found = useQuery({ ...understanding(asked), enabled: asked !== "" && key !== "" }).data
  const understand = useMutation({
    mutationFn: (text: string) => queries.fetchQuery(understanding(text)),
    onSuccess: ({ question }, text) => open(text, question as Question | null),
  })

  function open(asked: string, question: Question | null): void {
    const path = question && pathOf(question)
    if (path) navigate({ to: path, search: { ...textsOf(question), asked } as never, resetScroll: false })
    else navigate({ to: ".", search: ((before: object) => ({ ...before, asked })) as never, resetScroll: false })
  }

  function submit(event: FormEvent): void {
    event.preventDefault()
    if (text.trim()) understand.mutate(text.trim())
  }

  return (
    <search className="ask">
      <form onSubmit={submit}>
        <input
          type="search"
          className="field"
          aria-label="Ask in words"
          placeholder="Ask in words: purchases by category last month"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button type="submit" className="button" disabled={understand.isPending}>
          Ask
        </button>
      </form>
      {understand.error && <Failed problem={understand.error} />}
      {found && asked !== "" && <Understood of={found} open={(question) => open(asked, question)} />}
    </search>
  )
}

/** What became of each part of the text. What was ignored comes first: it is what surprises. */
function Understood({ of, open }: { of: Understanding; open: (question: Question) => void }) {
  const kind = of.question && (of.question as Question).kind
  return (
    <div role="status">
      <dl className="understood">
        {of.missing && <Told as="Missing" what={[of.missing]} />}
        <Told as="Ignored" what={of.ignored.map(({ text, meaning }) => `“${text}” is ${meaning}`)} />
        {of.question && (
          <Told as="Understood" what={of.understood.map(({ text, meaning }) => `“${text}”: ${meaning}`)} />
        )}
        <Told as="Assumed" what={of.assumed} />
        {kind && !pathOf(of.question as Question) && (
          <Told as="No page" what={[`The console shows no questions of the kind ${kind}; the API answers it.`]} />
        )}
        {of.alternatives.length > 0 && (
          <div>
            <dt>It may also mean</dt>
            {of.alternatives.map(({ question, text }) => (
              <dd key={text}>
                <button type="button" className="link" onClick={() => open(question as Question)}>
                  {text}
                </button>
              </dd>
            ))}
          </div>
        )}
      </dl>
    </div>
  )
}

function Told({ as, what }: { as: string; what: string[] }) {
  if (what.length === 0) return null
  return (
    <div>
      <dt>{as}</dt>
      {what.map((one) => (
        <dd key={one}>{one}</dd>
      ))}
    </div>
  )
}
