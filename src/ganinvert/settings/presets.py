"""Presets by method and task, and their differences from the publications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from difflib import get_close_matches
from typing import Any

from ganinvert.errors import UsageError
from ganinvert.settings.common import MethodName, Preset
from ganinvert.settings.methods import METHODS, InversionSettings, MethodEntry

AUTOMATIC = "auto"
DEFAULT_METHODS: Mapping[bool, MethodName] = {False: "pmsfc", True: "bdinvert"}
"""Methods that are taken if none is named, for other generators and for style-based ones."""


def method_name(method: MethodName, *, styled: bool) -> MethodName:
    """The method itself, or for `AUTOMATIC` the default one."""
    return DEFAULT_METHODS[styled] if method == AUTOMATIC else method


def method_entry(name: MethodName) -> MethodEntry:
    """The entry of a method; raises UsageError if there is none."""
    if name not in METHODS:
        near = get_close_matches(name, METHODS, 1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(METHODS)}"
        raise UsageError(f"there is no method {name}", hint=hint)
    return METHODS[name]


def preset_of(method: MethodName, task: str, preset: Preset = "default", *, styled: bool = False) -> InversionSettings:
    """The settings of a method for a task.

    Args:
        method: Name of the method; `AUTOMATIC` is the default one of the generator's family.
        task: Name of the task; "edit" is the inversion of photos that are then edited.
        preset: Name of the preset.
        styled: True for style-based generators, which have the spaces W and W+.

    Raises:
        UsageError: The method cannot do the task, or has no such preset for it.
    """
    method = method_name(method, styled=styled)
    presets = method_entry(method).presets_for(task, styled=styled)
    if not presets:
        if METHODS[method].presets_for(task, styled=True):
            hint = "choose one with -g, such as ffhq-1024, or another method"
            raise UsageError(f"{method} is for style-based generators", hint=hint)
        able = [name for name, entry in METHODS.items() if entry.presets_for(task, styled=styled)]
        raise UsageError(f"{method} cannot {task}", hint=f"choose another method: {', '.join(able)}")
    if preset not in presets:
        raise UsageError(
            f"{method} has no preset {preset} to {task}",
            hint=f"it has {', '.join(presets)}: docs/methods tells of them",
        )
    return presets[preset]


def divergences(settings: InversionSettings, task: str) -> dict[str, str]:
    """Differences from the publication: setting to "ours instead of published"; empty for one without a preset."""
    tuning, different = settings.tuning, {}
    if (published := _published(settings.name, task)) is not None:
        different = _differences(replace(settings, tuning=None), replace(published, tuning=None))
    if tuning is not None and (published := _published(tuning.kind, "invert")) is not None:
        different |= {f"tuning.{key}": text for key, text in _differences(tuning, published.tuning).items()}
    return different


def _published(method: MethodName, task: str) -> InversionSettings | None:
    presets = METHODS[method].presets_for(task, styled=True) if method in METHODS else {}
    return presets.get("paper") or presets.get("official")


def _differences(settings: Any, published: Any) -> dict[str, str]:
    ours, theirs = _flat(asdict(settings)), _flat(asdict(published))
    names = [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]
    return {name: f"{ours.get(name)} instead of {theirs.get(name)}" for name in names}


def _flat(nested: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in nested.items():
        values |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
    return values
