"""What clients of other products send, turned into Messages: one module for each foreign protocol.

Shape   canonical     the rules all protocols share, and the step to `model.Message`
        segment       Segment, RudderStack, Jitsu, hand-written calls; our own short form, and those of the original
                      TinyCDP, {userId, event, ts, props}, and of the universal data engine
        posthog       PostHog, whose one event may be two messages
        radixinsight, pulseboard   the systems TinyCDP grew out of
        history       rows of imported files
Laws    pure: bytes and `received_at` in, messages and reasons out; the one thing drawn is a missing message id
        nothing behind this package knows a vendor; another protocol is another module beside these
Source  docs/reference/tracking.md
"""
