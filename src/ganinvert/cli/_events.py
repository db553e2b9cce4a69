"""The JSON lines of `--json`; docs/reference/json.md says what their keys mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

SCHEMA = 1
"""Changes when a key goes or changes its meaning."""

Status = Literal["done", "skipped", "failed", "planned"]


@dataclass(frozen=True)
class Event:
    """What is known of an item when it has been treated; its JSON line has exactly these keys, and `event`."""

    inputs: list[str]
    status: Status
    outputs: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    outcome: str | None = None
    notes: list[str] = field(default_factory=list)
    warning: str | None = None
    seconds: float | None = None
    settings_hash: str | None = None
    input_sha256: str | None = None
    error: str | None = None
    hint: str | None = None

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps({"event": "item", **asdict(self)})


@dataclass(frozen=True)
class Summary:
    """What is known at the end; its JSON line has exactly these keys, `event` and `schema`."""

    command: str
    done: int
    skipped: int
    failed: int
    planned: int
    unfinished: int
    seconds: float
    exit_code: int
    report: str | None = None

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps({"event": "summary", "schema": SCHEMA, **asdict(self)})
