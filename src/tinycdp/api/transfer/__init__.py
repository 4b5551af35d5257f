"""Files in and out: imports of history, exports of segments."""
