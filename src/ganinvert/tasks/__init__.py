"""What people do with the tool."""

from ganinvert.tasks.api import colorize, inpaint, invert, upscale
from ganinvert.tasks.base import ColorizeTask, InpaintTask, InvertTask, PreparedImage, Task, UpscaleTask, holed
from ganinvert.tasks.discovery import DiscoveredSubspaces, discover
from ganinvert.tasks.editing import Edit, interpolate, render, swap, swap_grid
from ganinvert.tasks.encoding import EncoderJob, encoder_path, saved_encoder_settings, train_encoder
from ganinvert.tasks.results import Inversion
from ganinvert.tasks.session import Inverter
from ganinvert.tasks.training import TrainingJob, saved_settings, train

__all__ = [
    "ColorizeTask",
    "DiscoveredSubspaces",
    "Edit",
    "EncoderJob",
    "InpaintTask",
    "Inversion",
    "InvertTask",
    "Inverter",
    "PreparedImage",
    "Task",
    "TrainingJob",
    "UpscaleTask",
    "colorize",
    "discover",
    "encoder_path",
    "holed",
    "inpaint",
    "interpolate",
    "invert",
    "render",
    "saved_encoder_settings",
    "saved_settings",
    "swap",
    "swap_grid",
    "train",
    "train_encoder",
    "upscale",
]
