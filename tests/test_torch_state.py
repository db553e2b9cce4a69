"""Results do not depend on what the caller has set in torch, and nothing of that is changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch

import ganinvert

from .conftest import EXAMPLE
from .test_restoration import QUICK


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


SURROUNDINGS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "meta": lambda: torch.device("meta"),
    "deterministic algorithms": deterministic,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


def results(file: Path, folder: Path) -> list[bytes]:
    """Bytes of what the library makes of a photo, from loading on."""
    generator = ganinvert.load_generator(file)
    inverter = ganinvert.Inverter.load(file, QUICK, device="cpu")
    first = inverter.run([inverter.prepare(EXAMPLE)])[0]
    filled = ganinvert.inpaint(EXAMPLE, box=(20, 20, 60, 60), generator=file, settings=QUICK, device="cpu")
    first.bundle.save(folder / "face.pt")
    bundle = ganinvert.LatentBundle.load(folder / "face.pt")
    edits = [ganinvert.render(bundle, generator), *ganinvert.interpolate(bundle, filled.bundle, generator, frames=3)]
    return [picture.tobytes() for picture in (first.image, filled.image, *(each.image for each in edits))]


@pytest.fixture(scope="module")
def plain() -> dict[str, list[bytes]]:
    return {}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_results_are_the_same_wherever_they_are_made(
    name: str, generator: list[str], plain: dict[str, list[bytes]], tmp_path: Path
) -> None:
    file = Path(generator[1])
    if not plain:
        plain["results"] = results(file, tmp_path)
    random = torch.get_rng_state()
    surrounding: AbstractContextManager[object] = SURROUNDINGS[name]()
    with surrounding:
        grad, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
        assert results(file, tmp_path) == plain["results"]
        assert (torch.is_grad_enabled(), torch.get_default_dtype()) == (grad, dtype)
    assert torch.equal(torch.get_rng_state(), random)
