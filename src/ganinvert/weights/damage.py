"""Words for files that cannot be read."""

from __future__ import annotations

import re

from ganinvert.errors import WeightsError

_CUT = re.compile(
    r"only \d+ remain|exhausted before|truncated|unexpected EOF|not fully covered|invalid header length"
    r"|requires a buffer|not enough data"
)
"""Complaints of Python, torch and safetensors about an end that is missing."""


def unreadable(kind: str, error: Exception, *, detail: str, hint: str) -> WeightsError:
    """The error of a file that cannot be read as one of a kind, or that is cut short."""
    if isinstance(error, EOFError) or _CUT.search(str(error)):
        return WeightsError("is cut short: its end is missing", hint="the download or copy was stopped: fetch it again")
    return WeightsError(f"cannot be read as {kind}: {detail}", hint=hint)
