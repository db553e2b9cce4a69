"""Names of directions, along which codes are moved."""

from __future__ import annotations

import re
from typing import Literal, cast, get_args

from ganinvert.errors import UsageError

DirectionKind = Literal["ganspace", "sefa"]
"""Ways to find directions: principal components of samples, or of the matrices that styles are multiplied by."""


def parse_direction(name: str) -> tuple[DirectionKind, int]:
    """Read the name of a direction, such as "ganspace-3": its kind, and its number from 0; raises UsageError."""
    found = re.fullmatch(r"(\w+)-(\d{1,6})", name)
    if found is None or found[1] not in get_args(DirectionKind):
        raise UsageError(f"{name} is no direction", hint="for instance ganspace-0 or sefa-3")
    return cast("DirectionKind", found[1]), int(found[2])
