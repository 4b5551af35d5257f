"""From a question to SQL for ClickHouse, and from rows to its answer.

Pure: nothing here waits or connects."""
