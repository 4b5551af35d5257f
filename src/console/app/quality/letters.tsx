import { useState } from "react"
import type { Letter } from "../lib/api.ts"
import { plural } from "../lib/format.ts"
import { useMay } from "../lib/me.ts"
import { Confirm, Dialog } from "../ui/dialog.tsx"
import { Older } from "../ui/older.tsx"
import { Answered, Count, Empty, Failed, Panel, When } from "../ui/parts.tsx"
import { Table } from "../ui/table.tsx"
import type { Look } from "./look.ts"
import { Narrowed } from "./narrowed.tsx"
import { Payload } from "./payload.tsx"
import {
  type Chosen,
  type Tried,
  useDiscard,
  useDiscarding,
  useLetter,
  type useLetterCounts,
  useLetters,
  useReplay,
} from "./queries.ts"

const MEANINGS: Record<string, string> = {
  UNSTORABLE: "The database rejects a value of the message. Correct the sender; such a letter can rarely be stored.",
  INTERNAL: "The server failed. Upgrade it or mend what its log says, then replay.",
}

export function DeadLetters(props: {
  counts: ReturnType<typeof useLetterCounts>
  search: Look
  look: (change: Look) => void
}) {
  const { counts, search, look } = props
  const replay = useReplay()
  const [discarded, setDiscarded] = useState<{ chosen: Chosen; what: string } | null>(null)
  const [gone, setGone] = useState("")
  const acts: Acts = {
    busy: replay.isPending,
    replay: (chosen) => {
      setGone("")
      replay.mutate(chosen)
    },
    discard: (chosen, what) => setDiscarded({ chosen, what }),
  }
  const close = () => look({ letter: undefined })
  return (
    <>
      <Failed problem={replay.error} />
      <p role="status" className={replay.data || gone ? "notice" : "hidden"}>
        {gone || (replay.data ? inWords(replay.data) : "")}
      </p>
      <Answered answer={counts} lines={3}>
        {(codes) =>
          codes.every(({ n }) => n === 0) ? (
            <Empty title="No dead letters">
              <p>Every message that was accepted is stored.</p>
            </Empty>
          ) : (
            <>
              <Codes of={codes} search={search} look={look} acts={acts} />
              <Letters search={search} look={look} />
            </>
          )
        }
      </Answered>
      {search.letter !== undefined && !discarded && <LetterDialog id={search.letter} acts={acts} onClose={close} />}
      {discarded && (
        <Discard
          {...discarded}
          onClose={() => setDiscarded(null)}
          onDone={(n) => {
            replay.reset()
            setGone(`${plural(n, "dead letter")} discarded.`)
            setDiscarded(null)
            close()
          }}
        />
      )}
    </>
  )
}

interface Acts {
  busy: boolean
  replay: (chosen: Chosen) => void
  discard: (chosen: Chosen, what: string) => void
}

function inWords({ stored, duplicates, rejected, failed }: Tried): string {
  const parts = [
    `${stored.toLocaleString("en")} stored`,
    duplicates > 0 && `${duplicates.toLocaleString("en")} stored meanwhile, by a retry`,
    rejected > 0 && `${rejected.toLocaleString("en")} refused by a rule`,
    failed > 0 && `${failed.toLocaleString("en")} failed again and stay`,
  ]
  const tried = stored + duplicates + rejected + failed
  return `Replayed ${plural(tried, "dead letter")}: ${parts.filter(Boolean).join(", ")}.`
}

function Codes(props: { of: { code: string; n: number }[]; search: Look; look: (change: Look) => void; acts: Acts }) {
  const { of, search, look, acts } = props
  return (
    <Panel title="By code">
      <Table
        heads={["Code", "Letters", "For all of them"]}
        ends={[1, 2]}
        rows={of
          .filter(({ n }) => n > 0)
          .map(({ code, n }) => [
            <div key="code">
              <button
                type="button"
                className="row-link"
                aria-pressed={search.code === code}
                onClick={() => look({ code: search.code === code ? undefined : code })}
              >
                {code}
              </button>
              <p className="mute letter-meaning">{MEANINGS[code]}</p>
            </div>,
            <Count key="n" n={n} />,
            <span key="acts" className="letter-acts">
              <button
                type="button"
                className="button small"
                disabled={acts.busy}
                onClick={() => acts.replay({ code })}
                aria-label={`Replay all of ${code}`}
              >
                Replay
              </button>
              <button
                type="button"
                className="button small"
                disabled={acts.busy}
                onClick={() => acts.discard({ code }, `all dead letters with ${code}`)}
                aria-label={`Discard all of ${code}…`}
              >
                Discard…
              </button>
            </span>,
          ])}
      />
    </Panel>
  )
}

function Letters({ search, look }: { search: Look; look: (change: Look) => void }) {
  const may = useMay("admin")
  const answer = useLetters(search.code, may)
  const found = answer.data?.pages.flatMap(({ deadLetters }) => deadLetters)
  return (
    <Panel
      title="Letters"
      aside={
        search.code ? (
          <Narrowed to={search.code} all="show all codes" onClick={() => look({ code: undefined })} />
        ) : (
          <span className="mute">newest first</span>
        )
      }
    >
      <Answered answer={{ ...answer, data: found }} lines={6}>
        {(letters) => (
          <>
            <Table
              heads={["Message", "Key", "Attempts", "Last failed"]}
              wide={[1, 2]}
              ends={[2, 3]}
              rows={letters.map((letter) => [
                <div key="message">
                  <button type="button" className="row-link" onClick={() => look({ letter: letter.id })}>
                    {nameOf(letter)}
                  </button>
                  <p className="mute break">
                    <code>{letter.code}</code> {letter.error}
                  </p>
                </div>,
                letter.key ?? <span className="mute">—</span>,
                <Count key="attempts" n={letter.attempts} />,
                <When key="failed" at={letter.lastFailedAt} />,
              ])}
            />
            <Older of={answer} title="Show more" />
          </>
        )}
      </Answered>
    </Panel>
  )
}

function nameOf({ event, type }: Letter): string {
  return event || type || "a message that cannot be read"
}

function LetterDialog({ id, acts, onClose }: { id: string; acts: Acts; onClose: () => void }) {
  const answer = useLetter(id)
  const letter = answer.data
  return (
    <Dialog title={letter ? nameOf(letter) : "Dead letter"} lead={letter?.error} onClose={onClose} wide>
      <Answered answer={answer} lines={8}>
        {(one) => (
          <>
            <dl className="pairs key-facts">
              <div>
                <dt>Code</dt>
                <dd>
                  <code>{one.code}</code>
                </dd>
              </div>
              <div>
                <dt>Message id</dt>
                <dd className="break">{one.messageId ?? "—"}</dd>
              </div>
              <div>
                <dt>Key</dt>
                <dd>{one.key ?? "—"}</dd>
              </div>
              <div>
                <dt>Failed</dt>
                <dd>
                  {plural(one.attempts, "time")}, first <When at={one.firstFailedAt} />, last{" "}
                  <When at={one.lastFailedAt} />
                </dd>
              </div>
            </dl>
            <Payload of={one.payload} />
            <div className="dialog-foot">
              <button
                type="button"
                className="button"
                onClick={() => acts.discard({ ids: [id] }, `the dead letter ${nameOf(one)}`)}
              >
                Discard…
              </button>
              <button
                type="button"
                className="button primary"
                disabled={acts.busy}
                onClick={() => {
                  acts.replay({ ids: [id] })
                  onClose()
                }}
              >
                Replay
              </button>
            </div>
          </>
        )}
      </Answered>
    </Dialog>
  )
}

function Discard(props: { chosen: Chosen; what: string; onClose: () => void; onDone: (n: number) => void }) {
  const planned = useDiscarding(props.chosen)
  const discard = useDiscard()
  const n = planned.data?.discarded
  return (
    <Confirm
      title={`Discard ${props.what}?`}
      action="Discard"
      busy={n === undefined || discard.isPending}
      problem={discard.error ?? planned.error}
      onConfirm={() => discard.mutate(props.chosen, { onSuccess: ({ discarded }) => props.onDone(discarded) })}
      onClose={props.onClose}
    >
      <p>
        {n === undefined
          ? "…"
          : `${plural(n, "message")} ${n === 1 ? "is" : "are"} deleted and cannot be brought back.`}
        {" They were accepted, and are in no profile, trait or segment."}
      </p>
    </Confirm>
  )
}
