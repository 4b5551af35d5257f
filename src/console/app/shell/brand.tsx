export function Brand() {
  return (
    <span className="brand">
      <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
        <rect width="20" height="20" rx="5" fill="var(--accent)" />
        <path d="M5 6.800h10M5 10h7M5 13.200h4" stroke="var(--bg)" strokeWidth="1.800" strokeLinecap="round" />
      </svg>
      TinyCDP
    </span>
  )
}
