"""What a result depends on, and what its bundle says of where it comes from."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ganinvert.optimize import Outcome
from ganinvert.settings import divergences
from ganinvert.tasks.base import PreparedImage

if TYPE_CHECKING:
    from ganinvert.tasks.session import Inverter


def settings_hash(inverter: Inverter) -> str:
    """Changes with everything that a result depends on but the input."""
    content = {
        **inverter.task.options(),
        "settings": asdict(inverter.settings),
        "masks": inverter.partition.labels.tolist(),
        "generator": inverter.generator.digest,
        "helpers": dict(inverter.auxiliary_digests),
        "reals": _reals(inverter),
        "dtype": str(inverter.dtype),
        "seed": inverter.seed,
        **_framing(inverter),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def provenance(inverter: Inverter, target: PreparedImage, outcome: Outcome) -> dict[str, Any]:
    """Of the result of a picture."""
    settings = inverter.settings
    return {
        "input_sha256": target.sha256,
        "settings_hash": settings_hash(inverter),
        "notes": "; ".join(target.notes),
        "outcome": outcome.name,
        "diverges": "; ".join(f"{key}: {text}" for key, text in divergences(settings, inverter.task.name).items()),
        "seed": inverter.seed,
        "device": str(inverter.device),
        "dtype": str(inverter.dtype).removeprefix("torch."),
        "reals": _reals(inverter),
        **_framing(inverter),
        **inverter.task.options(),
        "licence": inverter.generator.about.get("licence", ""),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        **{package: version(package) for package in ("ganinvert", "torch")},
    }


def _reals(inverter: Inverter) -> str:
    """What fine-tuning takes for real images: "samples" of the generator, or the hash of images; "" for none."""
    if inverter.settings.tuning is None or not inverter.settings.tuning.cohesion:
        return ""
    return "samples" if inverter.reals is None else inverter.reals.sha256


def _framing(inverter: Inverter) -> dict[str, Any]:
    faces = {"align": inverter.alignment.mode, "face": inverter.alignment.face}
    return {"fit": inverter.fit_mode, **faces, "paste_back": inverter.paste_back}
