"""Identity and provenance of results: the hash of all settings, and the origin that bundles keep."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from ganinvert.optimize import Outcome
from ganinvert.settings import Request, divergences
from ganinvert.tasks.base import PreparedImage
from ganinvert.tasks.resolution import ResolvedSettings


def settings_hash(request: Request, resolved: ResolvedSettings) -> str:
    """SHA-256 over every setting, weight and partition that determines a result, except the input image."""
    content = {
        **request.task.identity,
        "settings": asdict(resolved.settings),
        "masks": resolved.partition.labels.tolist(),
        "generator": resolved.digest,
        "helpers": dict(resolved.networks),
        "reals": resolved.reals,
        "dtype": str(resolved.dtype),
        "seed": request.seed,
        **_framing(request),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def provenance(
    request: Request, resolved: ResolvedSettings, prepared: PreparedImage, outcome: Outcome
) -> dict[str, Any]:
    """The provenance that a bundle keeps: input hash, settings hash, notes, versions; strings and numbers."""
    return {
        "input_sha256": prepared.sha256,
        "settings_hash": settings_hash(request, resolved),
        "notes": "; ".join(prepared.notes),
        "outcome": outcome.name,
        "diverges": "; ".join(
            f"{key}: {text}" for key, text in divergences(resolved.settings, request.task.name).items()
        ),
        "seed": request.seed,
        "device": str(resolved.device),
        "dtype": str(resolved.dtype).removeprefix("torch."),
        "reals": resolved.reals,
        **_framing(request),
        **request.task.identity,
        "licence": resolved.licence,
        **made_now(),
    }


def made_now() -> dict[str, str]:
    """Time and versions of the software for a bundle's provenance."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        **{package: version(package) for package in ("ganinvert", "torch")},
    }


def _framing(request: Request) -> dict[str, Any]:
    return {"fit": request.fit, "align": request.align, "face": request.face, "paste_back": request.paste_back}
