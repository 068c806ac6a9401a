"""The service: HTTP, worker, command line, pages and their wiring.

Read `settings`, `container` (the composition root), `auth`, `errors`, `api`, then `routes` with the
shapes in `wire`, `asking` (one question on its way), `worker`, and `cli` with `commands`.
"""
