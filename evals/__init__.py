"""Measuring the very system that users get.

A suite is asked of a service, every reply is scored, the scores are compared with those of a
baseline and judged by a gate. Read `cases` and `reply`, then `scorers` with the metrics it lists
(`ranking`, `citing`, `wording`, `grounding`, `costs`), then `run` (with `asking` and `journal`) and
`result`; then `interval`, `compare`, `rules` and `gate`; then `report` and its formats (`page`,
`markdown`, `junit`, `summary`), and `command`, which puts them together.

`handbook` has sample documents with questions and answers; `benchmarks` has one program per table of
`docs/benchmarks.md`.
"""
