/** What a flag has besides rules, as it is edited: variants, and what comes before the rules. */
import { Trash2 } from "lucide-react"
import type { ReactNode } from "react"
import { useDefinitions } from "../../definitions/queries.ts"
import type { FlagBody, OverrideBody } from "../../lib/api.ts"
import { namesOf, written } from "../../lib/json.ts"
import { Tick } from "../../ui/fields.tsx"
import { Name, Select, Typed } from "../../ui/inputs.tsx"
import { Panel } from "../../ui/parts.tsx"
import {
  dropped,
  firstValue,
  freeName,
  put,
  removed,
  renamedVariant,
  replaced,
  retyped,
  typedValue,
  variantsInUse,
  withField,
} from "./document.ts"
import { Wrong } from "./problems.tsx"

export interface PartProps {
  of: FlagBody
  onChange: (of: FlagBody) => void
}

const TYPES = ["boolean", "string", "integer", "float", "object"]

export function VariantsForm({ of, onChange }: PartProps) {
  const { variants = {}, type = "boolean" } = of
  const names = namesOf(variants)
  const inUse = variantsInUse(of)
  return (
    <Panel title="Variants">
      <ul className="variants-form">
        {names.map((variant, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a variant that is renamed stays in its place
          <li key={index}>
            <Name
              label={`Name of the variant ${variant}`}
              value={variant}
              accepts={(text) => text !== "" && !names.includes(text)}
              onChange={(text) => onChange(renamedVariant(of, variant, text))}
            />
            <ValueField
              label={`Value of ${variant}`}
              type={type}
              value={variants[variant]}
              onChange={(value) => onChange({ ...of, variants: put(variants, variant, value) })}
            />
            <button
              type="button"
              className="icon-button"
              aria-label={`Remove the variant ${variant}`}
              title={inUse.has(variant) ? "It is in use" : undefined}
              disabled={inUse.has(variant)}
              onClick={() => onChange({ ...of, variants: dropped(variants, variant) })}
            >
              <Trash2 aria-hidden="true" />
            </button>
          </li>
        ))}
      </ul>
      <Wrong at="$.variants" />
      <button
        type="button"
        className="button"
        onClick={() => onChange({ ...of, variants: put(variants, freeName(names), firstValue(type)) })}
      >
        Add a variant
      </button>
      <div className="form-row three-fields">
        <Field label="Type">
          <Select
            label="Type of the values"
            value={type}
            options={TYPES}
            onChange={(next) => onChange({ ...of, type: next, variants: retyped(variants, next) })}
          />
        </Field>
        <Field label="If no rule applies">
          <Select
            label="Default variant"
            value={of.default?.serve ?? ""}
            options={names}
            onChange={(serve) => onChange({ ...of, default: { serve } })}
          />
        </Field>
        <Field label="While it is off">
          <Select
            label="Off variant"
            value={of.offVariant ?? ""}
            options={names}
            onChange={(offVariant) => onChange({ ...of, offVariant })}
          />
        </Field>
      </div>
      <Wrong at="$.type" />
      <Wrong at="$.default" />
      <Wrong at="$.offVariant" />
    </Panel>
  )
}

function Field({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="labelled">
      <span>{label}</span>
      {children}
    </div>
  )
}

function ValueField(props: { label: string; type: string; value: unknown; onChange: (value: unknown) => void }) {
  const { label, type, value, onChange } = props
  if (type === "boolean")
    return (
      <Select
        label={label}
        value={String(value)}
        options={["true", "false"]}
        onChange={(text) => onChange(text === "true")}
      />
    )
  return (
    <Typed
      label={label}
      className={type === "string" ? "" : "mono"}
      lines={type === "object" ? 3 : undefined}
      value={type === "string" ? String(value) : written(value ?? null, type === "object" ? 2 : undefined)}
      accepts={(text) => typedValue(type, text) !== undefined}
      placeholder={type === "string" ? "empty text" : undefined}
      onChange={(text) => onChange(typedValue(type, text))}
    />
  )
}

const NAMED = [
  { value: "profile", title: "any identifier" },
  { value: "segment", title: "segment" },
  { value: "identifier", title: "identifier of a kind" },
]

/** What is looked at before the rules: other flags, and people for whom a variant is fixed. */
export function BeforeForm({ flag, of, onChange }: PartProps & { flag: string }) {
  const flags = (useDefinitions("flags").data ?? []).filter(({ key }) => key !== flag)
  const variantsOf = (key: string): string[] => {
    const found = flags.find((one) => one.key === key)
    return found && "document" in found ? namesOf(found.document.variants ?? {}) : []
  }
  const booleans = flags.filter((one) => "document" in one && one.document.type === "boolean").map(({ key }) => key)
  const { prerequisites = [], holdouts = [], overrides = [] } = of
  const keep = <Name extends "prerequisites" | "holdouts" | "overrides">(
    name: Name,
    list: NonNullable<FlagBody[Name]>,
  ) => onChange(withField(of, name, list.length ? list : undefined))
  return (
    <Panel title="Before the rules">
      <p className="mute">The first of these that applies decides, before any rule is looked at.</p>
      <h3>Overrides</h3>
      <ul className="rows-form" aria-label="Overrides">
        {overrides.map((override, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: an override has no other name than its place
          <li key={index}>
            <OverrideForm
              of={override}
              variants={namesOf(of.variants ?? {})}
              onChange={(next) => keep("overrides", replaced(overrides, index, next))}
            />
            <Remove
              label={`Remove override ${index + 1}`}
              onClick={() => keep("overrides", removed(overrides, index))}
            />
          </li>
        ))}
      </ul>
      <button
        type="button"
        className="button small"
        onClick={() => keep("overrides", [...overrides, { profile: "", serve: namesOf(of.variants ?? {})[0] ?? "" }])}
      >
        Fix a variant for someone
      </button>
      <Wrong at="$.overrides" />
      <h3>Prerequisites</h3>
      <ul className="rows-form" aria-label="Prerequisites">
        {prerequisites.map((one, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the flag of a row may be chosen anew
          <li key={index}>
            <Select
              label={`Flag of prerequisite ${index + 1}`}
              value={one.flag}
              options={flags.map(({ key }) => key)}
              onChange={(name) =>
                keep(
                  "prerequisites",
                  replaced(prerequisites, index, { flag: name, variants: variantsOf(name).slice(0, 1) }),
                )
              }
            />
            <span className="mute">serves</span>
            {variantsOf(one.flag).map((variant) => (
              <Tick
                key={variant}
                label={<code>{variant}</code>}
                checked={one.variants.includes(variant)}
                onChange={(checked) =>
                  keep(
                    "prerequisites",
                    replaced(prerequisites, index, {
                      ...one,
                      variants: checked ? [...one.variants, variant] : one.variants.filter((name) => name !== variant),
                    }),
                  )
                }
              />
            ))}
            <Remove
              label={`Remove prerequisite ${index + 1}`}
              onClick={() => keep("prerequisites", removed(prerequisites, index))}
            />
          </li>
        ))}
      </ul>
      <button
        type="button"
        className="button small"
        disabled={flags.length === 0}
        onClick={() => {
          const name = flags[0]?.key ?? ""
          keep("prerequisites", [...prerequisites, { flag: name, variants: variantsOf(name).slice(0, 1) }])
        }}
      >
        Require another flag
      </button>
      <Wrong at="$.prerequisites" />
      <h3>Holdouts</h3>
      <ul className="rows-form" aria-label="Holdouts">
        {holdouts.map((name, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the flag of a row may be chosen anew
          <li key={index}>
            <Select
              label={`Holdout ${index + 1}`}
              value={name}
              options={booleans}
              onChange={(next) => keep("holdouts", replaced(holdouts, index, next))}
            />
            <Remove label={`Remove holdout ${index + 1}`} onClick={() => keep("holdouts", removed(holdouts, index))} />
          </li>
        ))}
      </ul>
      <button
        type="button"
        className="button small"
        disabled={booleans.length === 0}
        onClick={() => keep("holdouts", [...holdouts, booleans[0] ?? ""])}
      >
        Hold people out
      </button>
      <Wrong at="$.holdouts" />
    </Panel>
  )
}

function Remove({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <button type="button" className="icon-button" aria-label={label} onClick={onClick}>
      <Trash2 aria-hidden="true" />
    </button>
  )
}

function OverrideForm(props: { of: OverrideBody; variants: string[]; onChange: (of: OverrideBody) => void }) {
  const { of, variants, onChange } = props
  const kind = of.identifier ? "identifier" : of.segment !== undefined ? "segment" : "profile"
  const { serve } = of
  const segments = useDefinitions("segments").data ?? []
  return (
    <>
      <Select
        label="Whom the override is for"
        value={kind}
        options={NAMED}
        onChange={(next) =>
          onChange(
            next === "identifier"
              ? { serve, identifier: { kind: "userId", value: of.profile ?? "" } }
              : next === "segment"
                ? { serve, segment: segments[0]?.key ?? "" }
                : { serve, profile: of.identifier?.value ?? "" },
          )
        }
      />
      {of.identifier && (
        <Typed
          label="Kind of the identifier"
          className="mono short"
          value={of.identifier.kind}
          onChange={(next) => onChange({ serve, identifier: { kind: next, value: of.identifier?.value ?? "" } })}
        />
      )}
      {kind === "segment" ? (
        <Select
          label="Segment of the override"
          value={of.segment ?? ""}
          options={segments.map(({ key }) => key)}
          onChange={(segment) => onChange({ serve, segment })}
        />
      ) : (
        <Typed
          label="Person of the override"
          value={of.identifier?.value ?? of.profile ?? ""}
          placeholder="An identifier"
          onChange={(text) =>
            onChange(
              of.identifier ? { serve, identifier: { ...of.identifier, value: text } } : { serve, profile: text },
            )
          }
        />
      )}
      <span className="mute">gets</span>
      <Select
        label="Variant of the override"
        value={serve}
        options={variants}
        onChange={(next) => onChange({ ...of, serve: next })}
      />
    </>
  )
}
