"""Choices of the command line, and what they change in a preset."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ganinvert.errors import UsageError
from ganinvert.settings import InversionSettings, MethodSettings, method_entry
from ganinvert.settings.common import at_least


def adjusted(
    base: InversionSettings,
    *,
    steps: int | None,
    lr: float | None,
    optional: Collection[str] = (),
    **method: int | str | None,
) -> InversionSettings:
    """A preset with the user's choices, `method` in the method's settings; None leaves the preset's value.

    Choices that are `optional` hold for all methods, and are passed over where one has no such thing.

    Raises:
        UsageError: The method has no such field, or fixes it, or makes no steps, or is to make none.
    """
    if steps is not None:
        at_least("steps", steps, 1)
    rates = {name: value for name, value in (("steps", steps), ("lr", lr)) if value is not None}
    if not base.method.optimized:
        if set(rates) - set(optional):
            raise UsageError(f"the method {base.name} makes no steps", hint="leave --steps and --lr out")
        rates = {}
    fixed, fields = method_entry(base.name).fixed, {name: value for name, value in method.items() if value is not None}
    if "space" in optional and "space" in fields and not base.method.allows_space(str(fields["space"])):
        del fields["space"]
    in_space: MethodSettings = replace(base.method, **{name: fields[name] for name in fields if name == "space"})  # type: ignore[arg-type]
    for name, value in list(fields.items()):
        if name in optional and (name in fixed or in_space.ignores(name)):
            del fields[name]
        elif in_space.ignores(name):
            where = f" in the space {in_space.space}" if name in vars(in_space) and in_space.space else ""
            raise UsageError(
                f"the method {base.name}{where} has no {name}", hint="leave it out, or choose another --method"
            )
        elif value != fixed.get(name, value):
            raise UsageError(
                f"{base.name} always has {name} = {fixed[name]}",
                hint="leave the option out, or choose another --method",
            )
    return replace(
        base,
        method=replace(base.method, **fields),  # type: ignore[arg-type]  # typer checked them
        optimization=replace(base.optimization, **rates),  # type: ignore[arg-type]
    )
