"""Commands that share options: those are the fields of a dataclass, and stand in the signature that typer reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, fields
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from ganinvert.settings import METHODS, Invert

T = TypeVar("T")
_FIRST = ("images", "from_file", "recursive", "a", "b")
"""Fields that stand before a command's own options in the help."""


def with_options(shared: type[T], settings: Invert) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that are the fields of a dataclass; it takes that as its first argument.

    Args:
        shared: A dataclass whose fields are annotated as options.
        settings: The command's default preset, whose values the help quotes.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        types = get_type_hints(command, include_extras=True)
        own = [
            each.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=types[each.name])
            for each in list(inspect.signature(command).parameters.values())[1:]
        ]
        common = _parameters(shared, settings)
        first = [each for each in common if each.name in _FIRST]
        parameters = [*first, *own, *(each for each in common if each not in first)]

        def run(**given: Any) -> None:
            options = shared(**{each.name: given.pop(each.name) for each in common})
            command(options, **given)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it by inspect
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def _parameters(shared: type[Any], settings: Invert) -> list[inspect.Parameter]:
    hints = get_type_hints(shared, include_extras=True)
    return [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=_quoting(hints[each.name], each.name, settings, varies="method" in hints and _varies(each.name)),
        )
        for each in fields(shared)
    ]


def _quoting(annotation: Any, name: str, settings: Invert, *, varies: bool) -> Any:
    """The annotation of an option, its shown default taken from the settings if they have one of that name.

    Args:
        annotation: Of the option.
        name: Of the option.
        settings: The command's default preset.
        varies: Whether other methods have other defaults.
    """
    for part in (settings.method, settings.optimization):
        if name in vars(part):
            kind, info = get_args(annotation)
            info = copy(info)
            value = f"{vars(part)[name]:g}" if name == "lr" else str(vars(part)[name])
            info.show_default = f"{value}; varies by --method" if varies else value
            return Annotated[kind, info]
    return annotation


def _varies(name: str) -> bool:
    defaults = [recipe.presets["invert"]["default"] for recipe in METHODS.values()]
    parts = [part for each in defaults for part in (each.method, each.optimization)]
    return len({vars(part)[name] for part in parts if name in vars(part)}) > 1
