"""What people do with the tool."""

from ganinvert.tasks.discovery import DiscoveredSubspaces, discover
from ganinvert.tasks.editing import Edit, interpolate, render, swap, swap_grid
from ganinvert.tasks.encoding import EncoderJob, encoder_path, saved_encoder_settings, train_encoder
from ganinvert.tasks.inversion import Inverter
from ganinvert.tasks.measuring import Colorizing, Inpainting, Inverting, Target, Task, Upscaling, holed
from ganinvert.tasks.results import Inversion
from ganinvert.tasks.single import colorize, inpaint, invert, upscale
from ganinvert.tasks.training import TrainingJob, saved_settings, train

__all__ = [
    "Colorizing",
    "DiscoveredSubspaces",
    "Edit",
    "EncoderJob",
    "Inpainting",
    "Inversion",
    "Inverter",
    "Inverting",
    "Target",
    "Task",
    "TrainingJob",
    "Upscaling",
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
