"""The pure core: (state, message, now) → (state, changes, next wake-up).

No I/O, no clock, no asyncio."""
