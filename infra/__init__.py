"""Adapters, one file per technology, and deployment."""
