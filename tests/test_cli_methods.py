"""Every method on the command line, from the photo to an edited result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganinvert import LatentBundle, load_generator
from ganinvert.cli._bundles import as_made
from ganinvert.generators import Encoder, PGGANDiscriminator, PGGANEncoder, PGGANGenerator
from ganinvert.generators.pggan import EncoderArchitecture
from ganinvert.metrics import to_unit
from ganinvert.settings import METHODS, preset_of
from ganinvert.settings.common import plain
from ganinvert.weights import registry

from .commandline import names, photo, run

FEW = ["--steps", "3", "--device", "cpu"]


@pytest.fixture
def known(generator: list[str], small: PGGANGenerator, data_dir: Path) -> list[str]:
    """Options that name a generator which has everything that methods ask for: subspaces, encoder, discriminator."""
    folder = data_dir / "generators"
    folder.mkdir(parents=True)
    Path(generator[1]).rename(folder / "small.safetensors")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        discriminator, encoder = PGGANDiscriminator(small.architecture), _encoder()
    discriminator.save(folder / "small.discriminator.safetensors")
    encoder.digest = load_generator("small").digest
    encoder.save(folder / "small.encoder.safetensors")
    assert registry.names() == ["small"]
    return ["-g", "small"]


def _encoder() -> Encoder:
    return PGGANEncoder(EncoderArchitecture.compact(16, latent_dim=12, layer=3, channels=8))


@pytest.mark.parametrize("method", [name for name, entry in METHODS.items() if entry.presets_for("invert")])
def test_every_method_inverts_and_its_results_can_be_rendered_and_swapped(
    method: str, known: list[str], tmp_path: Path
) -> None:
    pictures = photo(tmp_path / "a.png", (16, 16)), tmp_path / "b.png"
    with Image.open(pictures[0]) as image:
        image.rotate(90).save(pictures[1])
    steps = [] if method == "encoder" else FEW
    result = run("invert", *pictures, "--method", method, "-o", tmp_path / "out", *known, *steps, "--json")
    assert result.exit_code == 0, result.output
    bundle = LatentBundle.load(tmp_path / "out" / "a.invert.pt")
    assert bundle.method == method
    assert bundle.layer == 3
    generator = load_generator("small")
    before = {name: weight.clone() for name, weight in generator.state_dict().items()}
    levels = (to_unit(bundle.render(generator))[0] * 255).round()
    with Image.open(tmp_path / "out" / "a.invert.png") as image:
        shown = torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)
    assert torch.equal(levels, shown.float())
    assert all(torch.equal(weight, before[name]) for name, weight in generator.state_dict().items())
    bundles = [tmp_path / "out" / f"{name}.invert.pt" for name in "ab"]
    swapped = run("swap", *bundles, "--subspaces", "1,2,3,4,5,6", "-o", tmp_path / "swapped", *known)
    assert swapped.exit_code == 0, swapped.output
    walked = run("interpolate", *bundles, "--frames", "3", "-o", tmp_path / "walked", *known)
    assert walked.exit_code == 0, walked.output


def test_methods_exchange_subspaces(known: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (16, 16))
    for method in ("pmsfc", "single"):
        arguments = ["--method", method, "-o", tmp_path / method, *known, *FEW]
        assert run("invert", picture, *arguments).exit_code == 0
    result = run(
        "swap",
        *(tmp_path / method / "a.invert.pt" for method in ("pmsfc", "single")),
        *("--subspaces", "2", "-o", tmp_path / "out", *known),
    )
    assert result.exit_code == 0, result.output


def test_a_photo_beside_a_bundle_is_inverted_as_that_was(known: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (16, 16))
    for method in ("mganprior", "pmsfc", "single"):
        assert run("invert", picture, "--method", method, "-o", tmp_path / method, *known, *FEW).exit_code == 0
        bundle = LatentBundle.load(tmp_path / method / "a.invert.pt")
        made = as_made(preset_of("pmsfc", "edit"), bundle)
        assert made.label == ("mganprior" if method == "mganprior" else "pmsfc")
        assert method == "single" or plain(made.method) == bundle.composition


@pytest.mark.parametrize("refinement", ["near-perfect", "pti"])
def test_refining_keeps_only_what_changed(refinement: str, known: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (16, 16))
    command = ["invert", picture, "-o", tmp_path / "out", *known, *FEW]
    assert run(*command).exit_code == 0
    plain = LatentBundle.load(tmp_path / "out" / "a.invert.pt")
    result = run(*command, "--refine", refinement, "--overwrite")
    assert result.exit_code == 0, result.output
    refined = LatentBundle.load(tmp_path / "out" / "a.invert.pt")
    assert refined.method == f"pmsfc+{refinement}"
    assert torch.equal(refined.tensors["z"], plain.tensors["z"])
    assert refined.deltas
    assert not any(name.startswith(("layers.0.", "layers.1.", "layers.2.")) for name in refined.deltas)
    assert refined.metrics["psnr"] > plain.metrics["psnr"]
    assert refined.provenance["reals"] == ("samples" if refinement == "near-perfect" else "")
    assert len(refined.losses) > len(plain.losses)
    assert run(*command, "--refine", refinement).stderr.count("up to date") == 1


def test_real_images_are_what_near_perfect_refinement_asks_for(known: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (16, 16))
    for n in range(10):
        Image.new("RGB", (16, 16), (20 * n, 90, 200)).save(photo(tmp_path / "reals" / f"{n}.png"))
    command = ["invert", picture, "-o", tmp_path / "out", *known, *FEW, "--reals", tmp_path / "reals"]
    refused = run(*command)
    assert refused.exit_code == 2
    assert "--reals are for near-perfect" in refused.stderr
    result = run(*command, "--refine", "near-perfect")
    assert result.exit_code == 0, result.output
    assert len(LatentBundle.load(tmp_path / "out" / "a.invert.pt").provenance["reals"]) == 64
    missing = run(*command[:-1], tmp_path / "nowhere", "--refine", "near-perfect", "--overwrite")
    assert missing.exit_code == 1
    assert "no such folder" in missing.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "single", "-K", "3"], "the method single has no codes"),
        (["--method", "encoder", "--init", "random"], "the method encoder has no init"),
        (["--method", "mganprior", "--preset", "paper"], "mganprior has no preset paper"),
        (["--method", "nonsense"], "nonsense"),
        (["--method", "pti", "--refine", "near-perfect"], "pti is fine-tuning already"),
        (["--method", "dgp", "--refine", "pti"], "dgp is fine-tuning already"),
        (["--method", "mganprior", "-R", "6"], "mganprior always has subspaces = 1"),
    ],
)
def test_what_a_method_has_not_is_refused(options: list[str], words: str, known: list[str], tmp_path: Path) -> None:
    result = run("invert", photo(tmp_path / "a.png"), "-o", tmp_path / "out", *known, *options)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert names(tmp_path / "out") == []


def test_only_some_methods_restore(known: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (16, 16))
    command = ["colorize", picture, "-o", tmp_path / "out", *known]
    assert run(*command, *FEW, "--method", "near-perfect").exit_code == 2
    for method in ("dgp", "encoder", "genvismani", "invertlayers", "clipping"):
        steps = [] if method == "encoder" else FEW
        result = run(*command, *steps, "--method", method, "--overwrite", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout.splitlines()[0])["metrics"]["deviation"] <= 1


def test_what_is_missing_for_a_method_is_said_with_how_to_get_it(generator: list[str], tmp_path: Path) -> None:
    for method, words, *options in (
        ("genvismani", "has no encoder"),
        ("dgp", "has no discriminator"),
        ("near-perfect", "has no discriminator", "--reals", tmp_path),
    ):
        command = ["invert", photo(tmp_path / "a.png"), "--method", method, "-o", tmp_path / "out", *options]
        result = run(*command, *generator, *FEW)
        assert result.exit_code == 3, result.output
        assert words in " ".join(result.stderr.split())
    assert names(tmp_path / "out") == []


def test_near_perfect_does_without_a_discriminator(generator: list[str], tmp_path: Path) -> None:
    result = run("invert", photo(tmp_path / "a.png"), "--method", "near-perfect", "-o", tmp_path, *generator, *FEW)
    assert result.exit_code == 0, result.output
    assert "has no discriminator: tuned without the terms that need one" in " ".join(result.stderr.split())
    bundle = LatentBundle.load(tmp_path / "a.invert.pt")
    assert bundle.deltas
    assert bundle.settings["tuning"]["cohesion"] == 0
    assert "has no discriminator" in bundle.provenance["notes"]


def test_settings_that_are_kept_do_not_get_in_the_way_of_other_methods(
    known: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["invert", photo(tmp_path / "a.png", (16, 16)), "--overwrite", "-o", tmp_path, *known, "--device", "cpu"]
    kept = {"CODES": "3", "SUBSPACES": "2", "STEPS": "4", "LR": "0.5", "PRESET": "paper", "REFINE": "pti"}
    for name, value in kept.items():
        monkeypatch.setenv(f"GANINVERT_{name}", value)
    assert run(*command, "--method", "dgp").exit_code == 0
    monkeypatch.delenv("GANINVERT_REFINE")
    for method, codes, steps in (("encoder", None, 0), ("genvismani", None, 4), ("mganprior", 3, 4)):
        result = run(*command, "--method", method)
        assert result.exit_code == 0, result.output
        settings = LatentBundle.load(tmp_path / "a.invert.pt").settings
        assert settings["method"].get("codes") == codes
        assert settings["optimization"]["steps"] == steps
    for options, words in (
        (["--method", "encoder", "--steps", "3"], "makes no steps"),
        (["--method", "single", "-K", "3"], "has no codes"),
        (["--method", "genvismani", "--preset", "paper"], "has no preset paper"),
    ):
        refused = run(*command, *options)
        assert refused.exit_code == 2
        assert words in " ".join(refused.stderr.split())
    bundle = tmp_path / "a.invert.pt"
    swap = run("swap", bundle, tmp_path / "a.png", "-o", tmp_path / "out", *known, "--subspaces", 1)
    assert swap.exit_code == 0, swap.output


def test_bundles_of_generators_with_a_name_find_them(known: list[str], tmp_path: Path) -> None:
    assert run("invert", photo(tmp_path / "a.png", (16, 16)), "-o", tmp_path, *known, *FEW).exit_code == 0
    assert run("render", tmp_path / "a.invert.pt", "-o", tmp_path / "out").exit_code == 0


def test_codes_can_start_at_the_encoders(known: list[str], tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png", (16, 16))
    for init in ("encoder", "nearest"):
        result = run("invert", picture, "--init", init, "-o", tmp_path / init, *known, *FEW)
        assert result.exit_code == 0, result.output
    first, second = (LatentBundle.load(tmp_path / init / "a.invert.pt") for init in ("encoder", "nearest"))
    assert not torch.equal(first.tensors["z"], second.tensors["z"])
    assert "method.init: encoder instead of random" in first.provenance["diverges"]
