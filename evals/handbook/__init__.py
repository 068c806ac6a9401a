"""A small invented company's handbook, and the questions that it can and cannot answer.

`documents/` is what the demo ingests and `suite.jsonl` is what the release gate asks. The PDF and
Word files are made from the Markdown in `sources/`: read `markup`, then `pdf` and `word`, then
`build`. The other formats are written by hand.
"""
