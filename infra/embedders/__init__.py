"""Text to vectors: `opening` picks the adapter by URL; then the adapters, one file each."""
