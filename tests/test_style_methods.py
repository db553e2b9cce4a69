"""Methods on a style-based generator, from the photo to an edited result, in every latent space."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganinvert
from ganinvert import LatentBundle, load_generator
from ganinvert.errors import UsageError
from ganinvert.generators.mobilestylegan import MobileStyleGANArchitecture, MobileStyleGANGenerator
from ganinvert.methods.noise import noise_correlation
from ganinvert.metrics import to_unit
from ganinvert.settings import METHODS, InvertTask, PmSFC, Request, SingleCode, preset_of, refinement
from ganinvert.settings.presets import DEFAULT_METHODS
from ganinvert.settings.request import chosen_settings

from .commandline import photo, run

STYLED = [name for name, entry in METHODS.items() if entry.styled]
FEW = ["--steps", "3", "--device", "cpu"]
ARCHITECTURE = MobileStyleGANArchitecture((12, 12, 12), 4, (16, 16, 16, 16, 16, 12, 8, 8))


@pytest.fixture
def styled(tmp_path: Path) -> Path:
    """The file of a small style-based generator, 64 px."""
    path = tmp_path / "styled.safetensors"
    MobileStyleGANGenerator.random(ARCHITECTURE).save(path)
    return path


@pytest.mark.parametrize("method", STYLED)
def test_every_method_inverts_and_its_results_can_be_rendered(method: str, styled: Path, tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (64, 64))
    subspaces = ["-R", "1", "-K", "3"] if "subspaces" in vars(preset_of(method, "invert", styled=True).method) else []
    chosen = ["-g", styled, "--method", method, *subspaces, *FEW]
    result = run("invert", picture, *chosen, "-o", tmp_path)
    assert result.exit_code == 0, result.output
    bundle, generator = LatentBundle.load(tmp_path / "a.invert.pt"), load_generator(styled)
    assert bundle.method == method
    with Image.open(tmp_path / "a.invert.png") as image:
        rendered = np.rint(to_unit(bundle.render(generator))[0].permute(1, 2, 0).numpy() * 255)
        assert np.abs(rendered - np.asarray(image)).max() <= 1


@pytest.mark.parametrize("task", ["colorize", "upscale", "inpaint"])
def test_tasks_take_the_default_method_of_the_family(task: str, styled: Path, tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (16, 16) if task == "upscale" else (64, 64))
    more = ["--box", "20,20,20,20"] if task == "inpaint" else []
    result = run(task, picture, "-g", styled, *more, *FEW, "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert LatentBundle.load(tmp_path / f"a.{task}.pt").method == DEFAULT_METHODS[True]


@pytest.mark.parametrize(
    ("space", "kind", "shape"),
    [("z", "latent", (12,)), ("w", "latent", (12,)), ("w+", "latent", (11, 12)), ("f", "residuals", (11, 12))],
)
def test_a_space_is_chosen_by_its_name(
    space: str, kind: str, shape: tuple[int, ...], styled: Path, tmp_path: Path
) -> None:
    picture = photo(tmp_path / "a.png", (64, 64))
    layer = ["--layer", "3"] if space == "f" else []
    start = ["--init", "nearest"]
    result = run(
        "invert",
        picture,
        "-g",
        styled,
        "--method",
        "single",
        "--space",
        space,
        *layer,
        *start,
        *FEW,
        "-o",
        tmp_path / "out",
    )
    assert result.exit_code == 0, result.output
    bundle = LatentBundle.load(tmp_path / "out" / "a.invert.pt")
    assert bundle.code["kind"] == kind
    assert bundle.tensors["z"].shape == shape
    assert set(bundle.tensors) == ({"z", "d3"} if space == "f" else {"z"})


def test_spaces_and_methods_that_a_generator_lacks_are_refused(styled: Path, tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (64, 64))
    for arguments, text in (
        (["--method", "bdinvert"], "is for style-based generators"),
        (["--method", "single", "--space", "w"], "has no latent space w"),
        (["--method", "single", "--layer", "3"], "has no layer"),
        (["--method", "dgp", "--space", "f"], "cannot work in the space f"),
        (["-g", styled, "--method", "single", "--space", "w", "--layer", "3"], "in the space w has no layer"),
        (["-g", styled, "--method", "invertlayers", "--space", "f"], "cannot work in the space f"),
    ):
        result = run("invert", picture, *arguments, *FEW)
        assert result.exit_code == 2, result.output
        assert text in " ".join(result.output.split())


def test_the_library_takes_settings_a_name_or_the_default_of_the_family(styled: Path) -> None:
    picture = Image.new("RGB", (64, 64), "brown")
    named = chosen_settings(InvertTask(), None, "stylegan2-projector")
    assert named == "stylegan2-projector"
    assert chosen_settings(InvertTask(), None, SingleCode(space="w")).name == "single"  # type: ignore[union-attr]
    assert Request().settings_for(styled=True).name == DEFAULT_METHODS[True]
    with pytest.raises(UsageError, match="is for style-based generators"):
        Request(settings=named).settings_for(styled=False)
    settings = ganinvert.InversionSettings(PmSFC(1, 2, layer=3, candidates=4, space="f"), ganinvert.Optimization(2))
    results = [ganinvert.invert(picture, generator=styled, settings=settings, device="cpu") for _ in range(2)]
    assert results[0].bundle.tensors["styles"].shape == (11, 12)
    assert torch.equal(results[0].bundle.tensors["styles"], results[1].bundle.tensors["styles"])


def test_the_projector_optimises_noise_that_stays_noise(styled: Path, tmp_path: Path) -> None:
    picture, generator = photo(tmp_path / "a.png", (64, 64)), load_generator(styled)
    preset = preset_of("stylegan2-projector", "invert", "paper", styled=True)
    assert preset.single_image_only
    few = replace(preset, optimization=replace(preset.optimization, steps=5))
    result = ganinvert.invert(picture, generator=styled, settings=few, device="cpu")
    deltas, noises = result.bundle.deltas, generator.noises()
    assert set(deltas) == set(noises) != set()
    for name, noise in noises.items():
        changed = noise + deltas[name].float()
        assert not torch.equal(changed, noise)
        assert float(changed.mean()) == pytest.approx(float(noise.mean()), abs=1e-3)
        assert float(changed.std()) == pytest.approx(float(noise.std()), rel=0.01)
    tuned = replace(few, tuning=replace(refinement("pti", styled=True), optimization=few.optimization))
    refined = ganinvert.invert(picture, generator=styled, settings=tuned, device="cpu")
    assert all(torch.equal(refined.bundle.deltas[name], deltas[name]) for name in noises)
    assert len(refined.bundle.deltas) > len(noises)
    assert (
        np.abs(
            to_unit(refined.bundle.render(generator))[0].permute(1, 2, 0).numpy() * 255 - np.asarray(refined.image)
        ).max()
        <= 1
    )


def test_neighbours_in_noise_are_compared_at_every_scale() -> None:
    rng = torch.Generator().manual_seed(0)
    white = torch.randn(64, 64, generator=rng)
    blocks = torch.randn(16, 16, generator=rng).repeat_interleave(4, 0).repeat_interleave(4, 1)
    assert float(noise_correlation(white)) < 0.05
    assert float(noise_correlation(blocks)) > 1.0
    assert float(noise_correlation(white)) == pytest.approx(float(noise_correlation(3 * white + 1)), rel=1e-4)
