/** The versions of a dashboard, and how to return to one. */
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import { RestoreAt } from "../definitions/versions.tsx"
import type { Dashboard } from "../insights/saved/queries.ts"
import type { DashboardDocument, SavedVersions } from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { plural } from "../lib/format.ts"
import { useMay } from "../lib/me.ts"
import { Dialog } from "../ui/dialog.tsx"
import { Answered, When } from "../ui/parts.tsx"

export function VersionsDialog({ of, onClose }: { of: Dashboard; onClose: () => void }) {
  const may = useMay("admin")
  const [restored, setRestored] = useState<number>()
  const answer = useQuery({
    queryKey: ["dashboards", of.key, "versions", of.version],
    queryFn: ({ signal }) => ask<SavedVersions>(address(["analytics", "dashboards", of.key, "versions"]), { signal }),
  })
  if (restored !== undefined) {
    return (
      <RestoreAt
        path={["analytics", "dashboards", of.key]}
        name={of.name || of.key}
        version={restored}
        onClose={onClose}
      />
    )
  }
  return (
    <Dialog title="Versions" onClose={onClose}>
      <div className="dialog-body">
        <Answered answer={answer} lines={4}>
          {({ versions }) => (
            <ol className="versions">
              {versions.map((one) => (
                <li key={one.version}>
                  <div className="version-line">
                    <div>
                      <b>{one.version}</b> <span>{one.note || contentOf(one.document)}</span>
                      <small>
                        {one.savedBy}, <When at={one.savedAt} />
                      </small>
                    </div>
                    {may && one.version !== of.version && one.document && (
                      <button type="button" className="button small" onClick={() => setRestored(one.version)}>
                        Restore
                      </button>
                    )}
                  </div>
                </li>
              ))}
            </ol>
          )}
        </Answered>
      </div>
    </Dialog>
  )
}

function contentOf(document: SavedVersions["versions"][number]["document"]): string {
  if (document === null) return "deleted"
  return plural((document as DashboardDocument).tiles?.length ?? 0, "tile")
}
