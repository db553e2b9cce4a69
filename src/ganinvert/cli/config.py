"""`ganinvert config`."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from ganinvert import paths
from ganinvert.cli import _config
from ganinvert.cli import _options as options
from ganinvert.cli._console import output
from ganinvert.errors import UsageError
from ganinvert.weights.store import is_offline


def _complete(context: typer.Context, incomplete: str) -> list[str]:
    return [name for name in _config.commands_of(context) if name.startswith(incomplete)]


def config(
    context: typer.Context,
    command: Annotated[
        str, typer.Argument(metavar="COMMAND", help="Command whose settings to show.", autocompletion=_complete)
    ] = "invert",
    file: options.ConfigFile = None,
) -> None:
    """Show the settings in effect and the source of each: environment, configuration file or default.

    Example: GANINVERT_DEVICE=cpu ganinvert config invert
    """
    commands = _config.commands_of(context)
    if command not in commands:
        raise UsageError(f"{command} is not a command", hint=f"choose from {', '.join(commands)}")
    path, content = _config.read(file)
    scope = typer.Context(commands[command], info_name=command, parent=context.parent)
    scope.default_map = {**_config.defaults(scope, file)}
    rows = [_row(key, option, scope, f"{path}") for key, option in _config.options(commands[command])]
    rows += [_directory("cache", paths.cache_dir()), _directory("data", paths.data_dir())]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, source in rows:
        output.data(f"{name:{widths[0]}}  {value:{widths[1]}}  {source}".rstrip())
    output.say(f"configuration file: {path}{'' if content else ' (empty or missing)'}")
    for sentence in _config.unknown_variables(commands):
        output.say(f"warning: {sentence}", style="yellow")


def _row(key: str, option: Any, scope: typer.Context, path: str) -> tuple[str, str, str]:
    value, source = option.consume_value(scope, {})
    name = _config.variable(option)
    origin = {"ENVIRONMENT": f"environment, {name}", "DEFAULT_MAP": path}.get(source.name, "default")
    if option.name == "offline" and is_offline():
        value, origin = True, f"environment, {name}"
    if value in (None, ""):
        value = option.show_default if isinstance(option.show_default, str) else "none"
    return key, str(value), origin


def _directory(name: str, path: os.PathLike[str]) -> tuple[str, str, str]:
    variable = f"GANINVERT_{name.upper()}_DIR"
    return f"({name} directory)", str(path), f"environment, {variable}" if os.environ.get(variable) else "default"
