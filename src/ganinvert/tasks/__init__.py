"""What people do with the tool."""

from ganinvert.tasks.discovery import DiscoveredSubspaces, discover
from ganinvert.tasks.inversion import Inversion, Inverter, Target, invert

__all__ = ["DiscoveredSubspaces", "Inversion", "Inverter", "Target", "discover", "invert"]
