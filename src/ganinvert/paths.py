"""The directories ganinvert uses, one function each; nothing else reads the environment for paths."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from platformdirs import PlatformDirs

_DIRS = PlatformDirs("ganinvert", appauthor=False)


def data_dir() -> Path:
    """Where trained generators and subspaces are kept: `GANINVERT_DATA_DIR`, else the user's data directory."""
    return Path(os.environ.get("GANINVERT_DATA_DIR") or _DIRS.user_data_path)


def cache_dir() -> Path:
    """Where what can be fetched again is kept: `GANINVERT_CACHE_DIR`, else the user's cache directory."""
    return Path(os.environ.get("GANINVERT_CACHE_DIR") or _DIRS.user_cache_path)


def config_file() -> Path:
    """Where settings are kept: `GANINVERT_CONFIG`, else `config.toml` in the user's configuration directory."""
    return Path(os.environ.get("GANINVERT_CONFIG") or _DIRS.user_config_path / "config.toml")


def weights_dir() -> Path:
    """Where fetched networks are kept."""
    return cache_dir() / "weights"


def subspaces_dir() -> Path:
    """Where `discover` keeps self-expression matrices and masks."""
    return data_dir() / "subspaces"


def generators_dir() -> Path:
    """Where `train` keeps generators under their names. Unlike fetched ones they cannot be had again."""
    return data_dir() / "generators"


def embedded(name: str) -> Path:
    """The path of a data file inside the installed package."""
    return Path(str(files("ganinvert"))) / "assets" / name
