"""The registry, the tracking plan and the live stream over HTTP."""
