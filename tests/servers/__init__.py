"""Real servers for tests. A package, so that `redis` and `vllm` here are never taken for theirs."""
