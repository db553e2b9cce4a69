"""The command line: the only room that knows typer and rich, and that imports torch only when a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from ganinvert import __version__
from ganinvert.cli import _signals
from ganinvert.cli._console import ErrorReportingGroup
from ganinvert.cli._photos import task_command
from ganinvert.cli._signature import with_general
from ganinvert.cli.config import config
from ganinvert.cli.discover import discover
from ganinvert.cli.doctor import doctor
from ganinvert.cli.edit import edit
from ganinvert.cli.evaluate import evaluate_command
from ganinvert.cli.fetch_weights import fetch_weights
from ganinvert.cli.interpolate import interpolate
from ganinvert.cli.render import render
from ganinvert.cli.swap import swap
from ganinvert.cli.train import train
from ganinvert.cli.train_encoder import train_encoder
from ganinvert.cli.ui import ui
from ganinvert.settings import TASKS


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"ganinvert {__version__}")
        raise typer.Exit


def ganinvert(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Put real photos into a pretrained GAN.

    Start with: ganinvert invert face.jpg
    """


def application() -> typer.Typer:
    """The command line, with a command for every task of `TASKS`."""
    app = typer.Typer(
        cls=ErrorReportingGroup,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Exit codes: 0 done · 1 an input failed · 2 wrong usage · 3 weights missing · 130 Ctrl-C · 143 SIGTERM",
    )
    for task in TASKS.values():
        app.command(task.name)(with_general(task_command(task)))
    others = (ui, train, train_encoder, fetch_weights, config, doctor)
    for command in (swap, interpolate, edit, render, discover, evaluate_command(), *others):
        app.command()(with_general(command))
    app.callback()(ganinvert)
    return app


app = application()


def main() -> None:
    """Entry point of the console script."""
    _signals.listen()
    app()
