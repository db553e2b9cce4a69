"""The command line: the only room that knows typer and rich, and that imports torch only when a command runs."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Annotated

import typer

from ganinvert import __version__
from ganinvert.cli._console import ErrorReportingGroup
from ganinvert.cli.discover import discover
from ganinvert.cli.fetch_weights import fetch_weights
from ganinvert.cli.invert import invert
from ganinvert.cli.train import train

app = typer.Typer(
    cls=ErrorReportingGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done · 1 an input failed · 2 wrong usage · 3 weights or masks missing · 130 Ctrl-C",
)
app.command()(invert)
app.command()(discover)
app.command()(fetch_weights)
app.command()(train)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ganinvert {__version__}")
        raise typer.Exit


@app.callback()
def ganinvert(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Put real photos into a pretrained PGGAN.

    Start with: ganinvert invert face.jpg
    """


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


def main() -> None:
    """Entry point of the console script."""
    signal.signal(signal.SIGTERM, _terminate)
    app()
