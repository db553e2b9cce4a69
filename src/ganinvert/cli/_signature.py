"""Options of commands from the fields of dataclasses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import MISSING, Field, fields
from functools import cache
from inspect import Parameter
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer

from ganinvert.cli._options import Config, Quiet, Verbose, opt
from ganinvert.settings import METHODS, InversionSettings

T = TypeVar("T")
CONTEXT = "context"
_CONFIGURED = ("ENVIRONMENT", "DEFAULT_MAP")
_FIRST = ("images", "from_file", "recursive", "a", "b", "sources")
"""Fields that stand before a command's own options in the help."""


def with_options(
    shared: type[Any], settings: InversionSettings
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of a dataclass as further options: see `assembled`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        return assembled(command, shared, settings, own_parameters(command)[1:])

    return decorate


def assembled(
    command: Callable[..., None],
    shared: type[Any],
    settings: InversionSettings,
    own: Sequence[Parameter],
    *,
    task: str | None = None,
    unused: Collection[str] = (),
) -> Callable[..., None]:
    """Make a command of a function that takes a dataclass of shared options first, and then its own.

    The fields of the dataclass `shared` are annotated as options, except `from_config`, the names of options whose
    values come from the environment or the configuration file, and the `unused` ones. The help quotes the values of
    `settings`, the default preset, and says if other methods have others in the `task` of a command with --method.
    """
    hints = get_type_hints(shared, include_extras=True)
    common = [
        Parameter(
            each.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if each.default is MISSING else each.default,
            annotation=_quoting(hints[each.name], each.name, settings, varies=_varies(each.name, task)),
        )
        for each in fields(shared)
        if each.name not in ("from_config", *unused)
    ]
    first = [each for each in common if each.name in _FIRST]
    context = Parameter(CONTEXT, Parameter.KEYWORD_ONLY, annotation=typer.Context)

    def run(**given: Any) -> None:
        source = given.pop(CONTEXT).get_parameter_source
        from_config = frozenset(name for name in given if source(name).name in _CONFIGURED)
        values = {each.name: given.pop(each.name) for each in common}
        command(shared(**values, from_config=from_config), **given)

    return presented(run, command, [context, *first, *own, *(each for each in common if each not in first)])


def with_fields(command: Callable[..., None], *options: type[Any]) -> Callable[..., None]:
    """Give a command the fields of dataclasses as options, see `field_options`; it takes them as `**` arguments."""

    def run(**given: Any) -> None:
        command(**given)

    fields_of_all = [parameter for each in options for parameter in field_options(each)]
    return presented(run, command, [*own_parameters(command)[:-1], *fields_of_all])


def with_general(command: Callable[..., None]) -> Callable[..., None]:
    """Add --config (unless a command has its own), --quiet and --verbose, which act by their callbacks."""
    own = own_parameters(command)
    general = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, default, annotation in (("config", None, Config), ("quiet", False, Quiet), ("verbose", 0, Verbose))
        if name != "config" or all(each.name != "file" for each in own)
    ]

    def run(**given: Any) -> None:
        command(**{each.name: given[each.name] for each in own})

    return presented(run, command, [*own, *general])


def own_parameters(command: Callable[..., None]) -> list[Parameter]:
    """The parameters of a command as keywords, with their annotations read."""
    types = get_type_hints(command, include_extras=True)
    parameters = inspect.signature(command).parameters.values()
    return [each.replace(kind=Parameter.KEYWORD_ONLY, annotation=types[each.name]) for each in parameters]


def presented(
    run: Callable[..., None], command: Callable[..., None], parameters: list[Parameter]
) -> Callable[..., None]:
    """A function that typer sees as a command with these parameters."""
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it by inspect
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def field_options(options: type[Any], *, optional: bool = False) -> list[Parameter]:
    """Parameters of a command for the fields of a dataclass that were made by `settings.options.option`.

    Optional ones are None if they are not given, and their help quotes the fields' defaults.
    """
    hints = get_type_hints(options)
    return [_field_option(each, hints[each.name], optional) for each in fields(options) if each.metadata]


def _field_option(each: Field[Any], hint: Any, optional: bool) -> Parameter:
    text, default = each.metadata, each.default
    kind: Any = hint if text["kind"] is None else text["kind"]
    if get_origin(text["kind"]) is Literal:
        default = get_args(kind)[0]
    quoted = {}
    if optional:
        kind, default, quoted = kind | None, None, {"show_default": str(default)}
    annotation = Annotated[kind, opt(text["panel"], *text["flags"], help=text["help"], **{**quoted, **text["typer"]})]
    return Parameter(each.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def from_options(options: type[T], given: Mapping[str, Any]) -> T:
    """The dataclass whose fields `field_options` made into options, from their values on the command line."""
    values = {}
    for each in fields(options):  # type: ignore[arg-type]  # a dataclass
        parse = each.metadata["parse"]
        values[each.name] = given[each.name] if parse is None else parse(given[each.name])
    return options(**values)


def _quoting(annotation: Any, name: str, settings: InversionSettings, *, varies: bool) -> Any:
    """The annotation of an option, its shown default taken from the settings if they have one of that name."""
    for part in (settings.method, settings.optimization):
        if vars(part).get(name, "") != "":
            kind, info = get_args(annotation)
            info = copy(info)
            value = f"{vars(part)[name]:g}" if name == "lr" else str(vars(part)[name])
            info.show_default = f"{value}; varies by --method" if varies else value
            return Annotated[kind, info]
    return annotation


def _varies(name: str, task: str | None) -> bool:
    return len({each[name] for each in _defaults(task) if name in each}) > 1


@cache
def _defaults(task: str | None) -> list[dict[str, Any]]:
    """The values of every method's default preset for a task."""
    presets = [entry.presets_for(task) for entry in METHODS.values()] if task else []
    defaults = [each["default"] for each in presets if each]
    return [
        {
            **vars(each.optimization),
            **{key: value for key, value in vars(each.method).items() if not each.method.ignores(key)},
        }
        for each in defaults
    ]
