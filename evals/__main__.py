"""`python -m evals` is `cairn-eval`."""

from evals.command import main

main()
