"""One folder on disk: SQLite metadata, content-addressed objects, the lock."""
