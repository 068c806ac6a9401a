"""Adapters, one file per technology, and deployment.

Each opens by an `open_…` context manager, translates its client's errors once, and is seen by
`app.container` and the worker only. `deploy` has what runs around the product.
"""
