"""Outside systems, one per file, each behind a port of the runtime."""
