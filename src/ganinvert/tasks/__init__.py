"""Sessions, tasks and their results. The functions for one photo are in `api`."""

from ganinvert.tasks.base import PreparedImage, Task
from ganinvert.tasks.discovery import DiscoveredSubspaces, discover
from ganinvert.tasks.editing import Edit, interpolate, render, swap, swap_grid
from ganinvert.tasks.encoding import EncoderJob, encoder_path, saved_encoder_settings, train_encoder
from ganinvert.tasks.inpaint import holed
from ganinvert.tasks.results import Inversion
from ganinvert.tasks.session import Inverter
from ganinvert.tasks.training import TrainingJob, saved_settings, train

__all__ = [
    "DiscoveredSubspaces",
    "Edit",
    "EncoderJob",
    "Inversion",
    "Inverter",
    "PreparedImage",
    "Task",
    "TrainingJob",
    "discover",
    "encoder_path",
    "holed",
    "interpolate",
    "render",
    "saved_encoder_settings",
    "saved_settings",
    "swap",
    "swap_grid",
    "train",
    "train_encoder",
]
