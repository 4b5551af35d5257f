/** The sign-in: a page at first, and a dialog over the page when its key has ended. */
import { useQueryClient } from "@tanstack/react-query"
import { Dialog } from "radix-ui"
import { type FormEvent, useEffect, useRef, useState } from "react"
import { whoIs } from "../lib/me.ts"
import { signIn, signOut } from "../lib/session.ts"
import { Brand } from "./brand.tsx"
import { enter } from "./environment.ts"

export function SignIn() {
  useEffect(() => {
    document.title = "Sign in · TinyCDP"
  }, [])
  return (
    <main className="sign-in">
      <Brand />
      <h1>Sign in</h1>
      <KeyForm />
    </main>
  )
}

export function SignInOver({ reason }: { reason: string }) {
  return (
    <Dialog.Root open>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content
          className="dialog"
          aria-describedby={undefined}
          onEscapeKeyDown={(event) => event.preventDefault()}
          onInteractOutside={(event) => event.preventDefault()}
        >
          <Dialog.Title>Sign in again</Dialog.Title>
          <p className="mute">{reason} The page behind this stays as it is.</p>
          <KeyForm />
          <button type="button" className="link" onClick={() => signOut()}>
            Leave the page instead
          </button>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

function KeyForm() {
  const [problem, setProblem] = useState("")
  const [busy, setBusy] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  const queries = useQueryClient()
  useEffect(() => field.current?.focus(), [])

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault()
    const key = field.current?.value.trim() ?? ""
    if (!key) {
      setProblem("Paste a key.")
      return
    }
    setBusy(true)
    try {
      const me = await whoIs(key)
      if (!me.abilities.includes("read"))
        throw new Error("This key may not read. The console needs one with the scope read or admin.")
      enter(queries, me)
      signIn(key)
    } catch (failed) {
      setProblem(failed instanceof Error ? failed.message : String(failed))
      setBusy(false)
      field.current?.select()
    }
  }

  return (
    <form onSubmit={submit}>
      <label htmlFor="key">Key</label>
      <input
        id="key"
        ref={field}
        type="password"
        autoComplete="off"
        spellCheck={false}
        placeholder="admin_…"
        aria-invalid={problem !== ""}
        aria-describedby="key-help"
      />
      <p id="key-help" className={problem ? "problem" : "mute"} role={problem ? "alert" : undefined}>
        {problem || "A key with the scope read or admin. It stays in this tab, and is forgotten with it."}
      </p>
      <button type="submit" className="button primary" disabled={busy}>
        {busy ? "Signing in…" : "Sign in"}
      </button>
      <p className="mute small">
        The server prints a link that signs in when it starts. <code>tinycdp key create --scope admin</code> makes
        another key.
      </p>
    </form>
  )
}
