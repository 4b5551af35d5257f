import { useRef } from "react"
import { countdown, exact } from "../format.ts"
import { useMembership, useSecondsUntil, useShopState, useTitle } from "../hooks.ts"
import { Door } from "./art.tsx"

const RECIPES: [name: string, dose: string, steps: string][] = [
  [
    "Filter, for one",
    "15 g · 250 g · 94 °C",
    "Wet it with 45 g and wait half a minute. Pour the rest in three slow circles.",
  ],
  [
    "Moka, without the bite",
    "16 g · hot water",
    "Fill it with hot water, keep the flame low, and stop when it turns the colour of honey.",
  ],
  [
    "Iced, in a minute",
    "30 g · 180 g · ice",
    "Brew it strong over 120 g of ice. Do not dilute what you have just paid for.",
  ],
]

export function MembersView() {
  const open = useMembership()
  const { known } = useShopState()
  const heading = useRef<HTMLHeadingElement>(null)
  useTitle("Members' corner", heading)
  const flag = known?.flags.find(({ key }) => key === "members_area")
  const seconds = useSecondsUntil(open ? flag?.until : undefined)
  const name = known?.properties.firstName
  return (
    <section className="members" data-open={open || undefined}>
      <Door open={open} />
      <div>
        <h1 ref={heading} tabIndex={-1}>
          {open && typeof name === "string" ? `Welcome, ${name}` : "Members' corner"}
        </h1>
        {open ? (
          <>
            <p className="lead">
              The door is open
              {flag?.until && seconds !== undefined ? (
                <>
                  {" "}
                  for <time title={`until ${exact(flag.until)}`}>{countdown(seconds)}</time>
                </>
              ) : null}
              . What we brew behind the counter:
            </p>
            <ul className="recipes">
              {RECIPES.map(([title, dose, steps]) => (
                <li key={title}>
                  <h2>{title}</h2>
                  <p className="dose">{dose}</p>
                  <p>{steps}</p>
                </li>
              ))}
            </ul>
          </>
        ) : (
          <>
            <p className="lead">An order opens this door, for thirty days.</p>
            <p>
              No code, no newsletter: the flag <code>members_area</code> reads the order itself.{" "}
              <a href="#/">Back to the shelf</a>
            </p>
          </>
        )}
      </div>
    </section>
  )
}
