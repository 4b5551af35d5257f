"""What clients of other products send, turned into Messages: one module for each foreign protocol.

Shape   body       bytes -> bounded, inflated, decoded JSON
        canonical  the rules all protocols share, and the step to `model.Message`
        segment    Segment, RudderStack, Jitsu, hand-written calls; our own short form
        posthog    PostHog, whose one event may be two messages
        seeds      RadixInsight, PulseBoard
Laws    pure: bytes and `received_at` in, messages and reasons out; the one thing drawn is a missing message id
        nothing behind this package knows a vendor; another protocol is another module beside these
Source  docs/reference/tracking.md
"""
