import { Link } from "@tanstack/react-router"
import { whole } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import type { Message, ShownTransition } from "../lib/message.ts"
import { Badge, Value } from "../ui/parts.tsx"
import { causeOf, kindOf, whoOf } from "./message.ts"

/** All of one message: as it arrived, as it was stored, what is wrong with it, and what it changed. */
export function Inspector({ message }: { message: Message }) {
  const { status, at, keyId, profileId, received, stored, warnings, rejection, changed, traits } = message
  const zone = useZone()
  const asSent = stored !== null && sameText(received, stored)
  return (
    <div className="inspector">
      <dl className="pairs">
        <div>
          <dt>Status</dt>
          <dd>
            <Badge tone={status === "accepted" ? "good" : status === "warned" ? "warn" : "bad"}>{status}</Badge>
          </dd>
        </div>
        <div>
          <dt>At</dt>
          <dd>{whole(at, zone)}</dd>
        </div>
        <div>
          <dt>Kind</dt>
          <dd>{kindOf(message) ?? "—"}</dd>
        </div>
        <div>
          <dt>Person</dt>
          <dd>
            {profileId === null ? (
              (whoOf(message) ?? "—")
            ) : (
              <Person id={profileId} name={whoOf(message) ?? profileId} />
            )}
          </dd>
        </div>
        {keyId !== null && (
          <div>
            <dt>Key</dt>
            <dd>{keyId}</dd>
          </div>
        )}
      </dl>
      {rejection && (
        <section>
          <h3>Rejected</h3>
          <p>{rejection.message}</p>
          <p className="mute">
            <code>{rejection.code}</code> at <code>{rejection.path}</code>
          </p>
        </section>
      )}
      {warnings.length > 0 && (
        <section>
          <h3>Warnings</h3>
          {warnings.map((warning) => (
            <div key={`${warning.code} ${warning.path}`}>
              <p>{warning.message}</p>
              <p className="mute">
                <code>{warning.code}</code> at <code>{warning.path}</code>
              </p>
            </div>
          ))}
        </section>
      )}
      {stored !== null && (
        <section>
          <h3>What it changed</h3>
          <Changes changed={changed} />
          {traits && Object.keys(traits).length > 0 && (
            <dl className="pairs">
              {Object.entries(traits).map(([key, value]) => (
                <div key={key}>
                  <dt>
                    <Link to="/traits/$name" params={{ name: key }}>
                      {key}
                    </Link>
                  </dt>
                  <dd>
                    <Value of={value} />
                  </dd>
                </div>
              ))}
            </dl>
          )}
        </section>
      )}
      {received !== null && (
        <section>
          <h3>{asSent ? "Received, and stored as it arrived" : "Received"}</h3>
          <Json of={received} />
        </section>
      )}
      {stored !== null && !asSent && (
        <section>
          <h3>Stored</h3>
          <Json of={stored} />
        </section>
      )}
    </div>
  )
}

/** Who moved, when, and why. */
export function Moved({ of }: { of: ShownTransition }) {
  const { segment, profileId, name, at, recordedAt } = of
  const zone = useZone()
  const pairs = [
    [
      "Segment",
      <Link key="segment" to="/segments/$name" params={{ name: segment }}>
        {segment}
      </Link>,
    ],
    ["Person", <Person key="person" id={profileId} name={name ?? profileId} />],
    ["Cause", causeOf(of)],
    ["At", whole(at, zone)],
    ["Recorded", whole(recordedAt, zone)],
  ] as const
  return (
    <div className="inspector">
      <dl className="pairs">
        {pairs.map(([title, is]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd>{is}</dd>
          </div>
        ))}
      </dl>
    </div>
  )
}

function Person({ id, name }: { id: string; name: string }) {
  return (
    <>
      <Link to="/users/$id" params={{ id }} search={{ by: "profileId" }}>
        {name}
      </Link>{" "}
      <span className="mute">·</span>{" "}
      <Link to="/live" search={{ profileId: id }}>
        only this person
      </Link>
    </>
  )
}

function Changes({ changed }: { changed: Message["changed"] }) {
  if (changed === null)
    return <p className="mute">Not known: it was read from the list of events, not as it arrived.</p>
  if (changed.length === 0) return <p className="mute">No segment.</p>
  return (
    <ul>
      {changed.map(({ segment, entered }) => (
        <li key={`${segment} ${entered}`}>
          {entered ? "Entered" : "Left"}{" "}
          {segment === null ? (
            "a segment that is gone"
          ) : (
            <Link to="/segments/$name" params={{ name: segment }}>
              {segment}
            </Link>
          )}
        </li>
      ))}
    </ul>
  )
}

function Json({ of }: { of: unknown }) {
  return <pre className="code">{JSON.stringify(of, null, 2)}</pre>
}

function sameText(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
