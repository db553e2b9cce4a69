"""Settings that are kept: the configuration file, and the environment variables of the same names.

A setting is an option; its key is the option's long name. At the top of the file stand the settings that have an
environment variable, for all commands; a table of a command's name holds any of its options.
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
"""Variables that no option reads: what is under the command line asks for them."""
_NOT_KEPT = ("config", "file", "help", "quiet", "verbose")


def configure(context: typer.Context, file: Path | None) -> Path | None:
    """Callback of `--config`, before all other options: what the file says becomes their default.

    Raises:
        UsageError: The file is missing, no TOML, or sets something that cannot be.
    """
    if not context.resilient_parsing:
        context.default_map = {**defaults(context, file)}
    return file


def defaults(context: typer.Context, file: Path | None) -> Mapping[str, Any]:
    """What the configuration file says of a command: parameter to value."""
    path, content = read(file)
    group = context.find_root().command
    commands: Mapping[str, Any] = getattr(group, "commands", {})
    tables = {name: content.pop(name) for name in list(content) if name in commands}
    common = {key for command in commands.values() for key, option in options(command) if variable(option)}
    _refuse_unknown(content, {*common, *commands}, where=str(path))
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {name} is a command, not a setting", hint=f"write its settings below [{name}]")
        _refuse_unknown(table, {key for key, _ in options(commands[name])}, where=f"{path}: [{name}]")
    found: dict[str, Any] = {}
    own = tables.get(str(context.info_name), {})
    for key, option in options(context.command):
        if key in own or (variable(option) and key in content):
            found[option.name] = _checked(own.get(key, content.get(key)), option, context, where=f"{path}: {key}")
    return found


def read(file: Path | None) -> tuple[Path, dict[str, Any]]:
    """The file that is asked for, else the user's if there is one, and its content."""
    path = file or paths.config_file()
    if file is None and not os.environ.get("GANINVERT_CONFIG") and not path.exists():
        return path, {}
    import tomllib  # only those who keep settings wait for it

    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such configuration file", hint="check the spelling of the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is no TOML: {error}", hint=EXAMPLE) from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", hint="check its permissions") from error


def options(command: Any) -> Iterator[tuple[str, Any]]:
    """Key and parameter of every option of a command that can be kept: all that take part in its work."""
    for parameter in command.params:
        name = max(parameter.opts, key=len)
        if parameter.param_type_name == "option" and parameter.name not in _NOT_KEPT and name.startswith("--"):
            yield name.removeprefix("--"), parameter


def variable(option: Any) -> str | None:
    """The environment variable of an option."""
    return _OFFLINE if option.name == "offline" else option.envvar


def unknown_variables(commands: Mapping[str, Any]) -> list[str]:
    """A sentence for every `GANINVERT_…` variable that nothing reads."""
    known = {name for command in commands.values() for _, option in options(command) if (name := variable(option))}
    known |= set(_ELSEWHERE)
    strange = [name for name in os.environ if name.startswith("GANINVERT_") and name not in known]
    return [f"{name} is set, but nothing reads it{_near(name, known)}" for name in sorted(strange)]


def _refuse_unknown(table: Mapping[str, Any], known: set[str], *, where: str) -> None:
    for key in table:
        if key not in known:
            raise UsageError(
                f"{where}: {key} is no setting{_near(key, known)}",
                hint="keys are long options without dashes; `ganinvert config` shows those for all commands",
            )


def _near(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name.replace("_", "-") if name.islower() else name, known, n=1)
    return f": did you mean {near[0]}?" if near else ""


def _checked(value: Any, option: Any, context: typer.Context, *, where: str) -> Any:
    if isinstance(value, dict | list):
        raise UsageError(f"{where} takes one value", hint="write lists as on the command line: save = 'image,bundle'")
    if isinstance(value, bool) != bool(option.is_flag):
        raise UsageError(
            f"{where} cannot be {value!r}", hint=f"it takes {'true or false' if option.is_flag else 'a value'}"
        )
    if isinstance(value, str) and value.startswith("~/"):
        value = str(Path(value).expanduser())  # no shell does it here
    given = value if option.is_flag else str(value)
    try:
        option.process_value(context, given)
    except Exception as error:  # typer vendors Click, whose error has no public name any more
        if not hasattr(error, "format_message"):
            raise
        raise UsageError(
            f"{where} cannot be {value!r}: {error.format_message()}", hint="`--help` tells what it takes"
        ) from error
    return given
