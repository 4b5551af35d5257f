/** A key made of a name: "Weekly buyers, DE" → weekly_buyers_de. */
export function keyOf(name: string): string {
  const plain = name.normalize("NFKD").replace(/[\u0300-\u036f]/g, "")
  const key = plain
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "")
  return (/^[a-z]/.test(key) || key === "" ? key : `r_${key}`).slice(0, 60)
}
