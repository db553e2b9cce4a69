"""Options of commands from the fields of dataclasses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer

from ganinvert.cli._options import opt
from ganinvert.settings import METHODS, InversionSettings

T = TypeVar("T")
CONTEXT = "context"
_KEPT = ("ENVIRONMENT", "DEFAULT_MAP")
_FIRST = ("images", "from_file", "recursive", "a", "b")
"""Fields that stand before a command's own options in the help."""


def with_options(
    shared: type[T], settings: InversionSettings, *, task: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of a dataclass as options; the command takes that dataclass as its first argument.

    The dataclass also has `kept`, the names of those whose values come from the environment or the configuration file.

    Args:
        shared: A dataclass whose fields, except `kept`, are annotated as options.
        settings: The command's default preset, whose values the help quotes.
        task: Task of a command with --method, whose other methods may have other defaults.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        return assembled(command, shared, settings, own_parameters(command)[1:], task=task)

    return decorate


def assembled(
    command: Callable[..., None],
    shared: type[Any],
    settings: InversionSettings,
    own: Sequence[inspect.Parameter],
    *,
    task: str | None = None,
) -> Callable[..., None]:
    """A command with the options `own` and those of a dataclass: see `with_options`."""
    common = _parameters(shared, settings, task)
    first = [each for each in common if each.name in _FIRST]
    context = inspect.Parameter(CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [context, *first, *own, *(each for each in common if each not in first)]

    def run(**given: Any) -> None:
        source = given.pop(CONTEXT).get_parameter_source
        values: dict[str, Any] = {each.name: given.pop(each.name) for each in common}
        values["kept"] = frozenset(name for name in (*values, *given) if source(name).name in _KEPT)
        command(shared(**values), **given)

    return presented(run, command, parameters)


def with_fields(*options: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of dataclasses as options, see `field_options`; it takes them as `**` arguments."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = own_parameters(command)[:-1]
        parameters = [*own, *(parameter for each in options for parameter in field_options(each))]

        def run(**given: Any) -> None:
            command(**given)

        return presented(run, command, parameters)

    return decorate


def own_parameters(command: Callable[..., None]) -> list[inspect.Parameter]:
    """The parameters of a command as keywords, with their annotations read."""
    types, keyword = get_type_hints(command, include_extras=True), inspect.Parameter.KEYWORD_ONLY
    own = inspect.signature(command).parameters.values()
    return [each.replace(kind=keyword, annotation=types[each.name]) for each in own]


def presented(
    run: Callable[..., None], command: Callable[..., None], parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    """A function that typer sees as a command with these parameters."""
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it by inspect
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def field_options(options: type[Any], *, optional: bool = False) -> list[inspect.Parameter]:
    """Parameters of a command for the fields of a dataclass that were made by `settings.options.option`.

    Optional ones are None if they are not given, and their help quotes the fields' defaults.
    """
    hints = get_type_hints(options)
    return [_field_option(each, hints[each.name], optional) for each in fields(options) if each.metadata]


def _field_option(each: Field[Any], hint: Any, optional: bool) -> inspect.Parameter:
    text, default = each.metadata, each.default
    kind: Any = hint if text["kind"] is None else text["kind"]
    if get_origin(text["kind"]) is Literal:
        default = get_args(kind)[0]
    shown = {}
    if optional:
        kind, default, shown = kind | None, None, {"show_default": str(default)}
    annotation = Annotated[kind, opt(text["panel"], *text["flags"], help=text["help"], **{**shown, **text["typer"]})]
    return inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def from_options(options: type[T], given: Mapping[str, Any]) -> T:
    """The dataclass whose fields `field_options` made into options, from their values on the command line."""
    values = {}
    for each in fields(options):  # type: ignore[arg-type]  # a dataclass
        parse = each.metadata["parse"]
        values[each.name] = given[each.name] if parse is None else parse(given[each.name])
    return options(**values)


def _parameters(shared: type[Any], settings: InversionSettings, task: str | None) -> list[inspect.Parameter]:
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
        annotation: Annotation of the option.
        name: Name of the option.
        settings: The command's default preset.
        varies: True if other methods have other defaults.
    """
    for part in (settings.method, settings.optimization):
        if name in vars(part):
            kind, info = get_args(annotation)
            info = copy(info)
            value = f"{vars(part)[name]:g}" if name == "lr" else str(vars(part)[name])
            info.show_default = f"{value}; varies by --method" if varies else value
            return Annotated[kind, info]
    return annotation


def _varies(name: str, task: str | None) -> bool:
    presets = [entry.presets_for(task) for entry in METHODS.values()] if task else []
    defaults = [each["default"] for each in presets if each]
    parts = [part for each in defaults for part in (each.method, each.optimization)]
    return len({vars(part)[name] for part in parts if name in vars(part)}) > 1
