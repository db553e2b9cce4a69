"""The configuration file, and the environment variables that set the same options.

The keys of the file are long option names. Options that also have an environment variable stand at the top and hold
for all commands; a table with a command's name holds any options of that command.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from ganinvert import paths
from ganinvert.errors import UsageError

EXAMPLE = "for instance: device = 'cpu'"
_OFFLINE = "GANINVERT_OFFLINE"
_ELSEWHERE = ("GANINVERT_CONFIG", "GANINVERT_CACHE_DIR", "GANINVERT_DATA_DIR", _OFFLINE)
"""Variables that the library reads, not an option."""
_NOT_SETTINGS = ("config", "file", "help", "quiet", "verbose")


def configure(context: typer.Context, file: Path | None) -> Path | None:
    """Callback of `--config`, which runs before all other options: take their defaults from the file."""
    if not context.resilient_parsing:
        context.default_map = {**defaults(context, file)}
    return file


def defaults(context: typer.Context, file: Path | None) -> Mapping[str, Any]:
    """Read the values that the configuration file gives to the parameters of the context's command."""
    path, content = read(file)
    commands = commands_of(context)
    tables = {name: content.pop(name) for name in list(content) if name in commands}
    common = {key for command in commands.values() for key, option in options(command) if variable(option)}
    _refuse_unknown(content, {*common, *commands}, where=str(path))
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {name} is a command, not a setting", hint=f"write its settings below [{name}]")
        _refuse_unknown(table, {key for key, _ in options(commands[name])}, where=f"{path}: [{name}]")
    own = tables.get(str(context.info_name), {})
    return {
        option.name: _checked(own.get(key, content.get(key)), option, context, where=f"{path}: {key}")
        for key, option in options(context.command)
        if key in own or (variable(option) and key in content)
    }


def commands_of(context: typer.Context) -> dict[str, Any]:
    """All commands of the program, by name."""
    return dict(getattr(context.find_root().command, "commands", {}))


def read(file: Path | None) -> tuple[Path, dict[str, Any]]:
    """Read the given configuration file, else the user's; return its path and its content."""
    path = file or paths.config_file()
    if file is None and not os.environ.get("GANINVERT_CONFIG") and not path.exists():
        return path, {}
    import tomllib  # not loaded for those who have no configuration file

    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such configuration file", hint="check the spelling of the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML: {error}", hint=EXAMPLE) from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", hint="check its permissions") from error


def options(command: Any) -> Iterator[tuple[str, Any]]:
    """Iterate over the options of a command that may be set in the file: key and parameter."""
    for parameter in command.params:
        name = max(parameter.opts, key=len)
        if parameter.param_type_name == "option" and parameter.name not in _NOT_SETTINGS and name.startswith("--"):
            yield name.removeprefix("--"), parameter


def variable(option: Any) -> str | None:
    """Name of an option's environment variable."""
    return _OFFLINE if option.name == "offline" else option.envvar


def unknown_variables(commands: Mapping[str, Any]) -> list[str]:
    """Describe every `GANINVERT_…` variable that nothing reads, in one sentence each."""
    names = {name for command in commands.values() for _, option in options(command) if (name := variable(option))}
    names |= set(_ELSEWHERE)
    unknown = sorted(name for name in os.environ if name.startswith("GANINVERT_") and name not in names)
    return [f"{name} is set, but nothing reads it{_near(name, names)}" for name in unknown]


def _refuse_unknown(table: Mapping[str, Any], keys: set[str], *, where: str) -> None:
    for key in table:
        if key not in keys:
            raise UsageError(
                f"{where}: {key} is not a setting{_near(key, keys)}",
                hint="keys are long options without dashes; `ganinvert config` shows those for all commands",
            )


def _near(name: str, names: set[str]) -> str:
    near = difflib.get_close_matches(name.replace("_", "-") if name.islower() else name, names, n=1)
    return f": did you mean {near[0]}?" if near else ""


def _checked(value: Any, option: Any, context: typer.Context, *, where: str) -> Any:
    if isinstance(value, dict | list):
        raise UsageError(f"{where} takes one value", hint="write lists as on the command line: save = 'image,bundle'")
    if isinstance(value, bool) != bool(option.is_flag):
        raise UsageError(
            f"{where} cannot be {value!r}", hint=f"it takes {'true or false' if option.is_flag else 'a value'}"
        )
    if isinstance(value, str) and value.startswith("~/"):
        value = str(Path(value).expanduser())  # no shell expands it here
    typed = value if option.is_flag else str(value)
    try:
        option.process_value(context, typed)
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", hint=error.hint) from error
    except Exception as error:  # typer bundles Click, whose error class has no public name
        if not hasattr(error, "format_message"):
            raise
        raise UsageError(
            f"{where} cannot be {value!r}: {error.format_message()}", hint="`--help` shows its values"
        ) from error
    return typed
