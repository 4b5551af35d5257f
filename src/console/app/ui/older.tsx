/** The button below a list that comes page by page; nothing if the list is whole. */
export function Older(props: {
  of: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown }
  title: string
}) {
  const { of, title } = props
  if (!of.hasNextPage) return null
  return (
    <button type="button" className="button older" disabled={of.isFetchingNextPage} onClick={() => of.fetchNextPage()}>
      {of.isFetchingNextPage ? "Loading…" : title}
    </button>
  )
}
