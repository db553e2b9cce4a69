from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from ganinvert.cli._console import output
from ganinvert.generators import PGGANGenerator, load_generator
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.settings import Discovery
from ganinvert.subspaces import SelfExpression, learn_self_expression, store
from ganinvert.weights import TensorFile

if "PYTEST_XDIST_WORKER" in os.environ:  # the processes share the cores
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"

SHARED = Path(__file__).resolve().parents[2] / "shared"
EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "examples" / "face.jpg"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if SHARED.is_dir():
        return
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(
                pytest.mark.skip(reason=f"needs the developers' assets in {SHARED.name}/, not part of a clone")
            )


@pytest.fixture
def assets() -> Path:
    return SHARED / "assets"


@pytest.fixture
def photos(assets: Path) -> list[Path]:
    return sorted((assets / "photos" / "fairface256").glob("*.jpg"))


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing a test does reaches the user's own directories and settings, or is reached by them."""
    for name in [name for name in os.environ if name.startswith("GANINVERT_")]:
        monkeypatch.delenv(name)
    config = tmp_path_factory.getbasetemp() / "empty-config.toml"
    config.touch()
    monkeypatch.setenv("GANINVERT_CONFIG", str(config))
    monkeypatch.setenv("GANINVERT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GANINVERT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def _the_same_random_numbers() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def portraits() -> PGGANGenerator:
    return load_generator()


@pytest.fixture(scope="session")
def small() -> PGGANGenerator:
    """A random network of 16 px with uneven channels."""
    return PGGANGenerator.random(PGGANArchitecture(12, (10, 9, 8, 7, 6, 5)), seed=1)


@pytest.fixture
def small_file(small: PGGANGenerator, tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    TensorFile(small.state_dict()).save(path)
    return path


@pytest.fixture(scope="session")
def expression(small: PGGANGenerator) -> SelfExpression:
    return learn_self_expression(small, Discovery(steps=5, lr=1e-2, moment_codes=16))


@pytest.fixture
def generator(small_file: Path, expression: SelfExpression) -> list[str]:
    """Options that name a small generator whose subspaces are discovered."""
    store(expression)
    return ["-g", str(small_file)]


@pytest.fixture(autouse=True)
def verbosity() -> None:
    output.verbosity = 0


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)
