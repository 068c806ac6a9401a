"""`cairn`, the command."""

from __future__ import annotations

import sys

import typer

from app.commands import ask, check, demo, doctor, documents, ingest, keys, serve, sync

CONTEXT = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="cairn",
    help="Answers from your documents that prove themselves.\n\n"
    "Commands talk to the service at CAIRN_URL (with CAIRN_KEY), or to the one on this machine; "
    "where none runs, they start one for as long as they last.\n\n"
    "Exit codes: 0 done, 1 something failed, 2 wrong usage or settings, 3 an honest refusal.",
    no_args_is_help=True,
    add_completion=False,
    context_settings=CONTEXT,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.command("migrate")(serve.migrate)
app.command("ingest")(ingest.ingest)
app.command("sync")(sync.sync)
app.command("ask")(ask.ask)
app.add_typer(documents.app, name="documents")
app.add_typer(keys.app, name="keys")
app.command("doctor")(doctor.doctor)
app.command("check")(check.check)
app.command("settings")(doctor.settings)
app.command("demo")(demo.demo)


def main() -> None:
    """The console script."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
