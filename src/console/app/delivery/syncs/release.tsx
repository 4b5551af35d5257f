/** Releasing the brake: how many people go is counted first, then confirmed. */
import type { Sync } from "../../lib/api.ts"
import { plural } from "../../lib/format.ts"
import { announce } from "../../ui/announced.tsx"
import { Confirm } from "../../ui/dialog.tsx"
import { Answered } from "../../ui/parts.tsx"
import { useRelease, useReleaseDryRun } from "./queries.ts"
import { leavingOf } from "./words.ts"

const WHAT: Record<string, string> = {
  clear: "have their fields cleared at",
  remove: "are removed from",
  delete: "are deleted at",
}

export function ReleaseDialog({ of, onClose }: { of: Sync; onClose: () => void }) {
  const counted = useReleaseDryRun(of.key)
  const release = useRelease(of.key)
  const n = counted.data?.removals
  const people = n === undefined ? "" : plural(n, "person", "people")
  return (
    <Confirm
      title={`Release the brake of ${of.name}`}
      action={`${leavingOf(of.document) === "clear" ? "Clear" : "Remove"} ${people}`.trim()}
      busy={n === undefined || release.isPending}
      problem={release.error}
      onConfirm={() =>
        release.mutate(undefined, {
          onSuccess: ({ removals }) => {
            announce(
              `sync ${of.key}`,
              `The brake is released: ${plural(removals, "person", "people")} will be removed.`,
            )
            onClose()
          },
        })
      }
      onClose={onClose}
    >
      <Answered answer={counted} lines={2}>
        {() => (
          <>
            <p>
              <b>{people}</b> {sentence(of, n ?? 0)} <b>{of.document.destination}</b> by the next run, which begins at
              once.
            </p>
            <p className="mute">A person whose match key changed counts too: the record under the old key goes.</p>
          </>
        )}
      </Answered>
    </Confirm>
  )
}

function sentence(of: Sync, n: number): string {
  const many = WHAT[leavingOf(of.document)] ?? "are removed from"
  return n === 1 ? many.replace("are ", "is ").replace("have their ", "has its ") : many
}
