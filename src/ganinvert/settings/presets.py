"""Presets by method and task, and their differences from the publications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from difflib import get_close_matches
from typing import Any

from ganinvert.errors import UsageError
from ganinvert.settings.common import MethodName, Preset
from ganinvert.settings.methods import METHODS, InversionSettings, MethodEntry


def method_entry(name: MethodName) -> MethodEntry:
    """The entry of a method; raises UsageError if there is none."""
    if name not in METHODS:
        near = get_close_matches(name, METHODS, 1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(METHODS)}"
        raise UsageError(f"there is no method {name}", hint=hint)
    return METHODS[name]


def preset_of(method: MethodName, task: str, preset: Preset = "default") -> InversionSettings:
    """The settings of a method for a task; task "edit" is the inversion of photos that are then edited.

    Raises:
        UsageError: The method cannot do the task, or has no such preset for it.
    """
    presets = method_entry(method).presets_for(task)
    if not presets:
        able = [name for name, entry in METHODS.items() if entry.presets_for(task)]
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
    presets = METHODS[method].presets_for(task) if method in METHODS else {}
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
