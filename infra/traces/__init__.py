"""What happened, kept on disk. Read spans, store, tracer, tracing (the wrappers), reading."""
