from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_assets() -> Path:
    """The developers' ../shared/assets; a test that asks for it is skipped where it is absent."""
    for folder in Path(__file__).resolve().parents:
        if (assets := folder / "shared" / "assets").is_dir():
            return assets
    pytest.skip("needs the developers' ../shared assets")
