/** Hand a file to the person, as a download does. */
export function save(file: Blob, name: string): void {
  const url = URL.createObjectURL(file)
  const link = document.createElement("a")
  link.href = url
  link.download = name
  link.click()
  // The download has begun by then; without this the file would stay in memory as long as the page.
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
