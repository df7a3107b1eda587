"""When a result is stale, and the records of the repository."""
