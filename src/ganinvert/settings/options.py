"""Options of a command as fields of a dataclass: the text of the command line stands beside the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any


def option(
    default: Any,
    *flags: str,
    help: str,  # noqa: A002  (typer's word)
    kind: Any = None,
    parse: Callable[[Any], Any] | None = None,
    panel: str = "Method",
    **typer: Any,
) -> Any:
    """A field of a frozen dataclass that is also an option of a command.

    Args:
        default: Default value of the field.
        flags: Names on the command line, for instance "--luma".
        help: Sentence of the help.
        kind: Type of the option where it differs from the field's; the default is then its first choice.
        parse: Conversion from that type to the field's.
        panel: Title of the help's panel.
        typer: Further arguments of `typer.Option`, for instance `metavar`.
    """
    text = {"flags": flags, "help": help, "kind": kind, "parse": parse, "panel": panel, "typer": typer}
    return field(default=default, metadata=text)
