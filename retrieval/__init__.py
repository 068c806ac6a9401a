"""The read path: a question becomes a cited answer, pure."""
