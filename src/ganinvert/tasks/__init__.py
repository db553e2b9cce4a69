"""Sessions, tasks and their results. The functions for one photo are in `api`."""

from ganinvert.tasks.base import PreparedImage, Task
from ganinvert.tasks.discovery import DiscoveredSubspaces, discover
from ganinvert.tasks.editing import Edit, interpolate, render, swap, swap_grid
from ganinvert.tasks.inpaint import holed
from ganinvert.tasks.results import Inversion
from ganinvert.tasks.session import Inverter

__all__ = [
    "DiscoveredSubspaces",
    "Edit",
    "Inversion",
    "Inverter",
    "PreparedImage",
    "Task",
    "discover",
    "holed",
    "interpolate",
    "render",
    "swap",
    "swap_grid",
]
