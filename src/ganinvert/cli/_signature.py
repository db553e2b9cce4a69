"""Commands that share options: those are the fields of a dataclass, and stand in the signature that typer reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, fields
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer

from ganinvert.settings import METHODS, EvaluatedTask, InversionSettings

T = TypeVar("T")
CONTEXT = "context"
_KEPT = ("ENVIRONMENT", "DEFAULT_MAP")
_FIRST = ("images", "from_file", "recursive", "a", "b")
"""Fields that stand before a command's own options in the help."""


def with_options(
    shared: type[T], settings: InversionSettings, *, task: EvaluatedTask | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that are the fields of a dataclass; it takes that as its first argument.

    The dataclass also has `kept`, the names of those whose values come from the environment or the configuration file.

    Args:
        shared: A dataclass whose fields, but for `kept`, are annotated as options.
        settings: The command's default preset, whose values the help quotes.
        task: Of a command with --method, whose other methods may have other defaults.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        types = get_type_hints(command, include_extras=True)
        own = [
            each.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=types[each.name])
            for each in list(inspect.signature(command).parameters.values())[1:]
        ]
        common = _parameters(shared, settings, task)
        first = [each for each in common if each.name in _FIRST]
        context = inspect.Parameter(CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        parameters = [context, *first, *own, *(each for each in common if each not in first)]

        def run(**given: Any) -> None:
            source = given.pop(CONTEXT).get_parameter_source
            kept = frozenset(name for name in given if source(name).name in _KEPT)
            shown: dict[str, Any] = {each.name: given.pop(each.name) for each in common}
            shown["kept"] = kept
            command(shared(**shown), **given)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it by inspect
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def _parameters(shared: type[Any], settings: InversionSettings, task: EvaluatedTask | None) -> list[inspect.Parameter]:
    hints = get_type_hints(shared, include_extras=True)
    return [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=_quoting(hints[each.name], each.name, settings, varies=_varies(each.name, task)),
        )
        for each in fields(shared)
        if each.name != "kept"
    ]


def _quoting(annotation: Any, name: str, settings: InversionSettings, *, varies: bool) -> Any:
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


def _varies(name: str, task: EvaluatedTask | None) -> bool:
    presets = [recipe.presets.get(task) for recipe in METHODS.values()] if task else []
    defaults = [each["default"] for each in presets if each]
    parts = [part for each in defaults for part in (each.method, each.optimization)]
    return len({vars(part)[name] for part in parts if name in vars(part)}) > 1
