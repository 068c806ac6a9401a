"""The read path: a question becomes a cited answer, pure.

Read `index` (the contract with the write path), `release`, `search`, `evidence`, `prompt`,
`generate`, `cite`, `ground`, `draft`, and last `answer`, the one flow. `extract` with `candidates`,
`rows`, `hints` and `select` is the generator that needs no model; `text` knows words alone.
"""
