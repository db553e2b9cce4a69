"""What people do with the tool."""

from ganinvert.tasks.discovery import DiscoveredSubspaces, discover
from ganinvert.tasks.inversion import Inversion, Inverter, Target, invert
from ganinvert.tasks.training import TrainingJob, saved_settings, train

__all__ = [
    "DiscoveredSubspaces",
    "Inversion",
    "Inverter",
    "Target",
    "TrainingJob",
    "discover",
    "invert",
    "saved_settings",
    "train",
]
