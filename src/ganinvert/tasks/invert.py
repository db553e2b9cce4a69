"""Inverting."""

from __future__ import annotations

from ganinvert import images
from ganinvert.degradations import Measurement
from ganinvert.settings import InvertTask
from ganinvert.tasks.base import Task, levels_of


class Invert(Task[InvertTask]):
    """The photo shows the wanted image itself."""

    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        """All pixels of the photo."""
        return Measurement("identity", levels_of(fitted)), ""
