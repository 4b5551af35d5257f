/** The people behind a number, and the number as a segment. */
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { type FormEvent, type ReactNode, useState } from "react"
import type { PeopleBehind, SavedSegment } from "../../lib/api.ts"
import { address, ask } from "../../lib/client.ts"
import { exactCount, plural } from "../../lib/format.ts"
import { keyOf } from "../../lib/key_of.ts"
import { useMay } from "../../lib/me.ts"
import { useSession } from "../../lib/session.ts"
import { PeopleTable } from "../../people/table.tsx"
import { Dialog } from "../../ui/dialog.tsx"
import { Labelled } from "../../ui/fields.tsx"
import { Older } from "../../ui/older.tsx"
import { Answered, Failed, When } from "../../ui/parts.tsx"
import { type Cell, type Kind, type OfKind, type Question, shortest } from "../query/question.ts"

const PAGE = 50

function usePeopleBehind(question: OfKind, cell: OfKind) {
  const { key } = useSession()
  const body = { question: shortest(question), cell }
  return useInfiniteQuery({
    queryKey: ["analytics", "people", body],
    queryFn: ({ pageParam, signal }) =>
      ask<PeopleBehind>(address(["analytics", "people"]), {
        method: "POST",
        body: { ...body, limit: PAGE, after: pageParam },
        signal,
      }),
    initialPageParam: 0,
    getNextPageParam: (page) => page.next,
    enabled: key !== "",
    retry: false,
  })
}

/** A dialog with them. `title` says which number it is. */
export function PeopleDialog<K extends Kind>(props: {
  question: Question<K>
  cell: Cell<K>
  title: string
  onClose: () => void
}) {
  const [making, setMaking] = useState(false)
  const people = usePeopleBehind(props.question, props.cell)
  const may = useMay("admin")
  const first = people.data?.pages[0]
  const shown = people.data?.pages.flatMap((page) => page.people) ?? []
  return (
    <Dialog
      wide
      title={props.title}
      lead={
        first && (
          <p>
            {plural(first.total, "person", "people")}, as of <When at={first.asOf} />
            {props.question.sample !== undefined && props.question.sample !== 1 && ", of the sample"}
          </p>
        )
      }
      onClose={props.onClose}
    >
      {may && first && first.total > 0 && (
        <div className="behind-foot">
          {making ? (
            <AsSegment {...props} total={first.total} onCancel={() => setMaking(false)} />
          ) : (
            <button type="button" className="button" onClick={() => setMaking(true)}>
              Make a segment of them
            </button>
          )}
        </div>
      )}
      <div className="dialog-body">
        <Answered answer={people} lines={8}>
          {() =>
            shown.length ? (
              <>
                <PeopleTable people={shown} last={{ title: "Seen", at: ({ lastSeen }) => lastSeen }} />
                <Older of={people} title={`More: ${exactCount((first?.total ?? 0) - shown.length)} are not shown`} />
              </>
            ) : (
              <p className="mute">No person is behind this number.</p>
            )
          }
        </Answered>
      </div>
    </Dialog>
  )
}

/** In one step: a name, and the people of now are a segment. A live one follows the number, where the language can. */
function AsSegment(props: { question: OfKind; cell: OfKind; title: string; total: number; onCancel: () => void }) {
  const [name, setName] = useState("")
  const [live, setLive] = useState(false)
  const queries = useQueryClient()
  const make = useMutation({
    mutationFn: () =>
      ask<SavedSegment>(address(["analytics", "segments"]), {
        method: "POST",
        body: {
          question: shortest(props.question),
          cell: props.cell,
          key: keyOf(name),
          description: props.title,
          live,
        },
      }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["definitions"] }),
  })

  function submit(event: FormEvent): void {
    event.preventDefault()
    make.mutate()
  }

  if (make.data) {
    return (
      <p role="status" className="notice">
        <span>
          The segment{" "}
          <Link to="/segments/$name" params={{ name: make.data.key }}>
            {make.data.key}
          </Link>{" "}
          {make.data.profiles === null
            ? "follows this number."
            : `has ${plural(make.data.profiles, "person", "people")}.`}
        </span>
      </p>
    )
  }
  return (
    <form className="as-segment" onSubmit={submit}>
      <Labelled
        label="Key of the segment"
        hint={name && keyOf(name) !== name ? `It will be ${keyOf(name)}.` : undefined}
      >
        {(names) => (
          <input
            {...names}
            className="field"
            // biome-ignore lint/a11y/noAutofocus: the press that opened it asked for this field
            autoFocus
            autoComplete="off"
            spellCheck={false}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Labelled>
      <label className="tick">
        <input type="checkbox" checked={live} onChange={(event) => setLive(event.target.checked)} />
        <span>
          Follow the number
          <small>A rule instead of a list, so that people enter and leave. Only for what the language can say.</small>
        </span>
      </label>
      {make.error && <Failed problem={make.error} />}
      <div className="dialog-foot">
        <button type="button" className="button" onClick={props.onCancel}>
          Cancel
        </button>
        <button type="submit" className="button primary" disabled={!keyOf(name) || make.isPending}>
          {live ? "Make the segment" : `Make a segment of ${exactCount(props.total)}`}
        </button>
      </div>
    </form>
  )
}

/** A number that opens its people. */
export function PeopleNumber(props: { children: ReactNode; label: string; onOpen: () => void }) {
  return (
    <button type="button" className="number-link" aria-label={props.label} onClick={props.onOpen}>
      {props.children}
    </button>
  )
}
