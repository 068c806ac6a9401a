"""Measuring the very system that users get.

`handbook` has sample documents with questions and answers; `benchmarks` has one program per table of
`docs/benchmarks.md`.
"""
