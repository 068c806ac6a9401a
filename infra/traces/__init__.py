"""What happened, kept on disk: spans, store, observation, tracer, opening; tracing and ingesting
wrap the ports; reading serves the pages; outbox, verdicts, langfuse, shipping deliver to Langfuse."""
