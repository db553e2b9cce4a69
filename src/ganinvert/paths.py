"""Directories and files of ganinvert; no other module reads paths from the environment."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from platformdirs import PlatformDirs

_DIRS = PlatformDirs("ganinvert", appauthor=False)


def data_dir() -> Path:
    """Directory of trained generators and subspaces: `GANINVERT_DATA_DIR`, else the user's data directory."""
    return Path(os.environ.get("GANINVERT_DATA_DIR") or _DIRS.user_data_path)


def cache_dir() -> Path:
    """Directory of files that can be fetched again: `GANINVERT_CACHE_DIR`, else the user's cache directory."""
    return Path(os.environ.get("GANINVERT_CACHE_DIR") or _DIRS.user_cache_path)


def config_file() -> Path:
    """Configuration file: `GANINVERT_CONFIG`, else `config.toml` in the user's configuration directory."""
    return Path(os.environ.get("GANINVERT_CONFIG") or _DIRS.user_config_path / "config.toml")


def weights_dir() -> Path:
    """Directory of fetched networks."""
    return cache_dir() / "weights"


def directions_dir() -> Path:
    """Directory of directions, which are found again in seconds."""
    return cache_dir() / "directions"


def subspaces_dir() -> Path:
    """Directory of discovered subspaces and their self-expression matrices."""
    return data_dir() / "subspaces"


def generators_dir() -> Path:
    """Directory of trained generators under their names; unlike fetched ones they cannot be fetched again."""
    return data_dir() / "generators"


def embedded(name: str) -> Path:
    """Path of a data file inside the installed package."""
    return Path(str(files("ganinvert"))) / "assets" / name
