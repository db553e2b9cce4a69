from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganinvert
from ganinvert import images
from ganinvert.errors import BundleError, ImageError, InsufficientMemoryError, UsageError, WeightsError
from ganinvert.generators import PGGANGenerator
from ganinvert.metrics import to_unit
from ganinvert.settings import Discovery, Optimization, Request, preset_of
from ganinvert.subspaces import SubspacePartition
from ganinvert.tasks.session import is_out_of_memory

from .conftest import EXAMPLE

QUICK = replace(preset_of("pmsfc", "invert"), optimization=Optimization(steps=12))
MASKS = SubspacePartition(torch.tensor([0, 1] * 4), "given")


@pytest.fixture
def inversion(small_file: Path) -> ganinvert.Inversion:
    return ganinvert.invert(EXAMPLE, generator=small_file, settings=QUICK, partition=MASKS, device="cpu")


def test_an_inversion_has_everything(inversion: ganinvert.Inversion) -> None:
    assert inversion.image.size == inversion.target.size == (16, 16)
    assert set(inversion.metrics) == {"psnr", "ssim", "lpips"}
    assert tuple(map(str, inversion.notes)) == ("256×256, resized to 16×16",)
    bundle = inversion.bundle
    assert bundle.losses.shape == (12,)
    assert bundle.losses[-1] < bundle.losses[0]
    assert bundle.settings["method"]["codes"] == 5
    assert bundle.provenance["seed"] == 0
    assert bundle.provenance["ganinvert"] == ganinvert.__version__


def test_bundles_load_safely_and_render_bit_exactly(
    inversion: ganinvert.Inversion, small_file: Path, tmp_path: Path
) -> None:
    inversion.bundle.save(tmp_path / "face.pt")
    plain = torch.load(tmp_path / "face.pt", weights_only=True)
    assert plain["format"] == "ganinvert-bundle"
    loaded = ganinvert.LatentBundle.load(tmp_path / "face.pt")
    generator = ganinvert.load_generator(small_file)
    image = loaded.render(generator)
    assert torch.equal(image, inversion.bundle.render(generator))
    levels = np.rint(to_unit(image)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    assert np.array_equal(levels, np.asarray(inversion.image))
    assert loaded.metrics == inversion.bundle.metrics
    assert dict(loaded.provenance) == dict(inversion.bundle.provenance)


def test_bundles_refuse_another_generator(inversion: ganinvert.Inversion, portraits: PGGANGenerator) -> None:
    with pytest.raises(BundleError, match=r"made with small .* not portraits-64"):
        inversion.bundle.render(portraits)


def test_damaged_bundles_say_so(inversion: ganinvert.Inversion, tmp_path: Path) -> None:
    path = tmp_path / "face.pt"
    inversion.bundle.save(path)
    content, plain = path.read_bytes(), torch.load(path, weights_only=True)
    cases: list[tuple[object, str]] = [
        (content[: len(content) // 2], "cannot be read"),
        (b"hello", "cannot be read"),
        ({"a": 1}, "is not a latent bundle"),
        ({**plain, "version": 99}, "newer ganinvert"),
        ({key: value for key, value in plain.items() if key != "tensors"}, "is incomplete"),
        ({key: value for key, value in plain.items() if key != "version"}, "is incomplete"),
        ({**plain, "masks": {"wrong": 1}}, "is incomplete"),
    ]
    for damage, words in cases:
        if isinstance(damage, bytes):
            path.write_bytes(damage)
        else:
            torch.save(damage, path)
        with pytest.raises(BundleError, match=words) as caught:
            ganinvert.LatentBundle.load(path)
        assert caught.value.hint
    with pytest.raises(BundleError, match="no such file"):
        ganinvert.LatentBundle.load(tmp_path / "missing.pt")


@pytest.mark.parametrize("version", [1, 2])
def test_older_bundles_are_read(version: int, inversion: ganinvert.Inversion, small_file: Path, tmp_path: Path) -> None:
    """Their compositions had no word for a start at random, which was one of no candidates."""
    path = tmp_path / "old.pt"
    inversion.bundle.save(path)
    plain = torch.load(path, weights_only=True)
    composition = {key: value for key, value in plain["composition"].items() if key != "init"} | {"candidates": 0}
    missing = {"layer", "deltas"} | ({"task", "measurement"} if version == 1 else set())
    old = {key: value for key, value in plain.items() if key not in missing}
    torch.save({**old, "version": version, "composition": composition}, path)
    generator = ganinvert.load_generator(small_file)
    assert torch.equal(ganinvert.LatentBundle.load(path).render(generator), inversion.bundle.render(generator))


@pytest.mark.parametrize(
    ("changes", "when"),
    [
        ({"deltas": {3: torch.zeros(1).half()}}, "loaded"),
        ({"deltas": {"layers.3.bias": torch.full((7,), torch.nan).half()}}, "loaded"),
        ({"deltas": {"layers.3.bias": torch.zeros((), dtype=torch.float16)}}, "loaded"),
        ({"deltas": {"layers.3.bias": torch.zeros(7)}}, "loaded"),
        ({"deltas": {"layers.9.bias": torch.zeros(7).half()}}, "rendered"),
        ({"deltas": {"layers.3.bias": torch.zeros(6).half()}}, "rendered"),
        ({"deltas": {"layers.3.weight.left": torch.zeros(7, 2).half()}}, "rendered"),
        (
            {
                "deltas": {
                    "layers.3.weight.left": torch.zeros(7, 2).half(),
                    "layers.3.weight.right": torch.zeros(2, 8, 9).half(),
                }
            },
            "rendered",
        ),
        ({"tensors": {"z": torch.ones(5)}, "code": {"kind": "latent", "space": "z"}}, "rendered"),
        ({"tensors": {"z": torch.full((12,), torch.inf)}}, "loaded"),
        ({"tensors": {"z": torch.ones(12), "d2": torch.ones(9, 4, 4)}}, "loaded"),
        ({"tensors": {"h": torch.ones(8, 300, 300)}, "code": {"kind": "activations", "space": "z"}}, "rendered"),
        ({"layer": 2.5}, "loaded"),
    ],
)
def test_odd_bundles_are_refused(
    changes: dict[str, object], when: str, inversion: ganinvert.Inversion, small_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "odd.pt"
    inversion.bundle.save(path)
    torch.save({**torch.load(path, weights_only=True), **changes}, path)
    if when == "loaded":
        with pytest.raises(BundleError, match="do not fit together"):
            ganinvert.LatentBundle.load(path)
    else:
        bundle = ganinvert.LatentBundle.load(path)
        with pytest.raises(BundleError, match="none of this generator"):
            bundle.render(ganinvert.load_generator(small_file))


def test_pillow_images_with_transparency_keep_it(small_file: Path) -> None:
    picture = Image.open(EXAMPLE).resize((40, 30))
    picture.putalpha(Image.linear_gradient("L").resize((40, 30)))
    found = ganinvert.invert(picture, generator=small_file, settings=QUICK, partition=MASKS, device="cpu", fit="pad")
    assert found.image.mode == "RGBA"
    assert tuple(map(str, found.notes)) == ("40×30, padded to 40×40, resized to 16×16",)
    assert found.image.getpixel((8, 0))[3] < found.image.getpixel((8, 15))[3]


def test_the_method_argument_replaces_that_of_the_settings(small_file: Path) -> None:
    method = ganinvert.PmSFC(subspaces=1, codes=2, candidates=4)
    found = ganinvert.invert(EXAMPLE, generator=small_file, settings=QUICK, method=method, device="cpu")
    assert found.bundle.tensors["z"].shape == (1, 2, 12)
    assert found.bundle.partition.source == "whole"


def test_a_stopped_inversion_is_kept_but_never_up_to_date(small_file: Path, tmp_path: Path) -> None:
    def stop(step: ganinvert.Step) -> None:
        if step.index == 3:
            raise StopIteration

    settings = replace(preset_of("single", "invert"), optimization=Optimization(steps=50))
    result = ganinvert.invert(EXAMPLE, generator=small_file, settings=settings, callback=stop)
    assert len(result.bundle.losses) == 4
    assert result.bundle.provenance["stopped"] == "after step 4 of 50"
    assert result.bundle.provenance["settings_hash"] == ""
    result.bundle.save(tmp_path / "a.pt")
    loaded = ganinvert.LatentBundle.load(tmp_path / "a.pt")
    assert ganinvert.render(loaded, ganinvert.load_generator(small_file)).image.tobytes() == result.image.tobytes()


def test_seeds_matter_and_repeat(small_file: Path) -> None:
    codes = [
        ganinvert.invert(EXAMPLE, generator=small_file, settings=QUICK, partition=MASKS, device="cpu", seed=seed)
        for seed in (0, 0, 1)
    ]
    assert torch.equal(codes[0].bundle.tensors["z"], codes[1].bundle.tensors["z"])
    assert not torch.equal(codes[0].bundle.tensors["z"], codes[2].bundle.tensors["z"])


@pytest.mark.parametrize(("name", "value"), [("align", "on"), ("fit", "stretch"), ("dtype", "float16")])
def test_unknown_words_are_refused_with_the_known_ones(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot be '{value}'") as caught:
        Request(**{name: value})
    assert re.match(r"choose '\w+' or '\w+' or '\w+'$", caught.value.hint)


def test_an_array_is_no_picture() -> None:
    array: Any = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ImageError, match="is of type ndarray") as caught:
        images.from_pil(array)
    assert "Image.fromarray" in caught.value.hint


def test_discovering_then_inverting(small_file: Path) -> None:
    with pytest.raises(WeightsError, match="no subspaces have been discovered"):
        ganinvert.invert(EXAMPLE, generator=small_file, device="cpu")
    settings = Discovery(steps=20, lr=1e-2, moment_codes=32)
    found = ganinvert.discover(small_file, subspaces=2, settings=settings, device="cpu")
    assert not found.reused
    assert ganinvert.discover(small_file, subspaces=3, settings=settings, device="cpu").reused
    assert not ganinvert.discover(small_file, subspaces=2, settings=settings, device="cpu", again=True).reused
    method = ganinvert.PmSFC(subspaces=2, codes=2)
    inverted = ganinvert.invert(EXAMPLE, generator=small_file, settings=QUICK, method=method, device="cpu")
    assert torch.equal(inverted.bundle.partition.labels, found.partition.labels)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "abacus"}, "no such device"),
        ({"device": "cuda:77"}, "no such device"),
        ({"method": ganinvert.PmSFC(subspaces=999)}, "999 subspaces"),
        ({"method": ganinvert.PmSFC(layer=42)}, "layer 42"),
    ],
)
def test_usage_errors(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ganinvert.invert(EXAMPLE, **options)


def test_the_embedded_generator_inverts_the_example() -> None:
    """The main job for real, in few steps: the face is recognisable and the default preset is on its way."""
    settings = replace(preset_of("pmsfc", "invert"), optimization=Optimization(steps=60))
    found = ganinvert.invert(EXAMPLE, settings=settings, device="cpu")
    assert found.metrics["psnr"] > 26
    assert found.metrics["lpips"] < 0.1
    assert found.outcome is ganinvert.Outcome.GOOD


@pytest.mark.shared
def test_discovered_subspaces_beat_one_subspace_at_the_same_number_of_codes(photos: list[Path]) -> None:
    """R = 6, K = 5 against mGANprior's composition with 30 codes, on real photos."""
    gains = []
    for photo in photos[:2]:
        settings = replace(preset_of("pmsfc", "invert"), optimization=Optimization(steps=60))
        ours = ganinvert.invert(photo, settings=settings, device="cpu")
        one = ganinvert.PmSFC(subspaces=1, codes=30, weighting="linear", weight_rate=0.05)
        gains.append(ours.metrics["psnr"] - ganinvert.invert(photo, settings=settings, method=one).metrics["psnr"])
    assert sum(gains) / len(gains) > 0.3


def test_only_a_full_memory_is_called_so(small_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError) as full:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(full.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    assert not is_out_of_memory(RuntimeError("unsupported memory format option Preserve"))

    def fail(*_: object, **__: object) -> None:
        raise full.value

    monkeypatch.setattr("ganinvert.tasks.session.solve", fail)
    with pytest.raises(InsufficientMemoryError, match="1 photos together"):
        ganinvert.invert(EXAMPLE, generator=small_file, settings=QUICK, partition=MASKS, device="cpu")


@pytest.mark.parametrize("task", ["invert", "colorize", "upscale", "inpaint"])
def test_all_functions_take_the_same_options(task: str, small_file: Path) -> None:
    photo = Image.open(EXAMPLE).resize((8, 8))
    more = {"box": (2, 2, 3, 3)} if task == "inpaint" else {}
    result = getattr(ganinvert, task)(
        photo, generator=small_file, method=ganinvert.SingleCode(candidates=4), partition=MASKS,
        settings=QUICK, dtype="float32", face=1, align="off", fit="pad", device="cpu", seed=3, **more,
    )  # fmt: skip
    assert (result.bundle.task, result.bundle.method, result.bundle.provenance["seed"]) == (task, "single", 3)
    assert "\n" not in repr(result)
