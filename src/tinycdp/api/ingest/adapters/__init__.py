"""Adapters: one module per foreign protocol turns request bodies into Messages.

Shape   canonical     the rules all protocols share, and the step to `model.Message`
        rejection     why an event is rejected
        segment       Segment, RudderStack, Jitsu, hand-written calls; short forms such as {userId, event, ts, props}
        posthog       PostHog, one event of which may become two messages
        radixinsight, pulseboard   their own protocols
        history       rows of imported files
Laws    Adapters are pure: bytes and `received_at` in, messages and rejections out. Only a missing message id is random.
        No other package knows a vendor; a new protocol is a new module here.
Source  docs/reference/tracking.md
"""
