/** `page, screen` as a list. */
export function listed(text: string): string[] | undefined {
  const labels = text.split(",").flatMap((label) => label.trim() || [])
  return labels.length ? labels : undefined
}

export function textOf(labels: readonly string[] | undefined): string {
  return (labels ?? []).join(", ")
}
