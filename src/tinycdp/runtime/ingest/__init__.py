"""Messages in: the pipeline, the group commit, dead letters, and the live event stream."""
