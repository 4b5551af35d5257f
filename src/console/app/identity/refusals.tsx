/** Identifiers that were not joined, and why. */
import type { RejectedClaim } from "../lib/api.ts"
import { When } from "../ui/parts.tsx"
import { Table } from "../ui/table.tsx"
import { Named, PersonLink } from "./states.tsx"
import { reasonOf } from "./words.ts"

export function RefusalTable({ of }: { of: RejectedClaim[] }) {
  return (
    <Table
      heads={["Not joined", "With", "Reason", "First"]}
      wide={[]}
      ends={[3]}
      rows={of.map((claim) => [
        <>
          <Named key="identifier" of={claim.identifier} />
          <div className="small">
            <PersonLink id={claim.profileId} />
          </div>
        </>,
        <>
          <Named key="other" of={claim.other} />
          <div className="small">
            <PersonLink id={claim.otherProfileId} />
          </div>
        </>,
        <span key="reason" title={`${claim.reason}, message ${claim.messageId}`}>
          {reasonOf(claim)}
        </span>,
        <When key="at" at={claim.rejectedAt} />,
      ])}
    />
  )
}
