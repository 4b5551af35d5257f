/** What is shown instead of the shop if the server does not let it open. */
export function Closed({ reason }: { reason: string }) {
  return (
    <main className="closed">
      <h1>The shop is closed</h1>
      <p>{reason}</p>
      <button type="button" className="button" onClick={() => location.reload()}>
        Try again
      </button>
    </main>
  )
}
