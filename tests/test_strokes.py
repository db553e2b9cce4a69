"""Edits by strokes and sketches, and their transfer to the photo."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

import ganinvert
from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.errors import BundleError, ImageError, UsageError
from ganinvert.generators import Generator, PGGANGenerator, load_generator
from ganinvert.losses import sketch_loss
from ganinvert.methods import ActivationCode
from ganinvert.tasks import film
from ganinvert.tasks.transfer import carry_over, colour_change, motion, warped

from .commandline import names, run
from .conftest import EXAMPLE
from .families import toy
from .test_contract_generators import bundle_of
from .test_directions import CODES, LAYER, sampled

QUICK = ganinvert.Strokes(steps=40, lr=0.1, closeness=0.0)


def painted(colour: str, box: tuple[int, int, int, int], side: int = 64) -> Image.Image:
    picture = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    ImageDraw.Draw(picture).rectangle(box, colour)
    return picture


def photo_like(side: int) -> Tensor:
    """A smooth pattern without symmetries, (1, 3, side, side) in [0, 1]."""
    rng = torch.Generator().manual_seed(3)
    return F.interpolate(torch.rand(1, 3, 9, 9, generator=rng), size=(side, side), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("space", ["z", "w", "w+"])
@pytest.mark.parametrize("kind", ["latent", "residuals", "composition"])
def test_codes_of_every_kind_follow_strokes_and_stay_where_they_were(kind: str, space: str) -> None:
    generator = toy("style")
    bundle = bundle_of(CODES[kind](generator, space), generator)
    kept = {name: tensor.clone() for name, tensor in bundle.tensors.items()}
    edit = ganinvert.edit_strokes(bundle, generator, painted("red", (0, 0, 31, 31)), settings=QUICK)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in bundle.tensors.items())
    assert edit.bundle.metrics["strokes"] < edit.bundle.metrics["strokes_before"]
    assert edit.bundle.code == {"kind": kind, "space": space}
    assert {name for name in kept if not torch.equal(edit.bundle.tensors[name], kept[name])} == {"z"}
    if space == "w":
        ways = (edit.bundle.tensors["z"] - bundle.tensors["z"]).view(-1, generator.space(space).shape[-1])
        assert torch.allclose(ways, ways[:1].expand_as(ways), atol=1e-5)
    again = images.to_pil(edit.bundle.render(generator)[0].numpy() / 2 + 0.5)
    assert again.tobytes() == edit.image.tobytes()
    frames = film(bundle, edit.bundle, generator, frames=3)
    assert torch.equal(frames[0].bundle.render(generator), bundle.render(generator))
    assert frames[-1].image.tobytes() == edit.image.tobytes()


def test_closeness_keeps_the_code_near_its_start() -> None:
    generator = toy("style")
    bundle = bundle_of(CODES["latent"](generator, "w"), generator)
    ways = []
    for closeness in (0.0, 0.1, 10.0):
        settings = ganinvert.Strokes(steps=40, lr=0.1, closeness=closeness)
        edited = ganinvert.edit_strokes(bundle, generator, painted("red", (0, 0, 31, 31)), settings=settings).bundle
        ways.append(float((edited.tensors["z"] - bundle.tensors["z"]).norm()))
    assert ways[0] > ways[1] > 5 * ways[2] > 0


def test_a_sketch_asks_for_edges_where_it_was_drawn() -> None:
    ink = torch.zeros(1, 1, 64, 64)
    ink[..., 30:33, 8:56] = 1
    loss = sketch_loss(ink)
    level, upright = -ink.expand(1, 3, -1, -1), -ink.mT.expand(1, 3, -1, -1)
    assert loss(level) < 1e-6
    assert loss(-level) < 1e-6
    assert loss(0.3 * level) < 0.1 * loss(torch.zeros_like(level))
    assert loss(upright) > loss(level) + 0.1
    elsewhere = level.clone()
    elsewhere[..., 50:, :] = torch.rand(1, 3, 14, 64, generator=torch.Generator().manual_seed(0))
    assert loss(elsewhere) < 1e-6
    flat = torch.zeros(1, 3, 64, 64, requires_grad=True)
    loss(flat).sum().backward()
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()
    generator = toy("style")
    bundle = bundle_of(CODES["latent"](generator, "w"), generator)
    edit = ganinvert.edit_strokes(bundle, generator, sketch=painted("black", (0, 28, 63, 35)), settings=QUICK)
    assert edit.bundle.losses[-1] < edit.bundle.losses[0]


def test_strokes_that_cannot_be_used_are_refused(tmp_path: Path, small: PGGANGenerator) -> None:
    for strokes, words in (
        (Image.new("RGB", (64, 64)), "no transparent ground"),
        (Image.new("RGBA", (64, 64), (9, 9, 9, 0)), "cover no pixel"),
        (Image.new("RGBA", (64, 48), (9, 9, 9, 0)), "the image is square"),
        (tmp_path / "none.png", "no such file"),
    ):
        with pytest.raises(ImageError, match=words):
            images.read_strokes(strokes, 16, name="the strokes")
    levels, covered = images.read_strokes(painted("#204060", (16, 16, 31, 63)), 16, name="the strokes")
    assert covered.sum() == 4 * 12
    assert levels[:, covered].T.tolist() == [[0x20, 0x40, 0x60]] * 48
    features = bundle_of(ActivationCode(small.features(sampled(small, "z"), LAYER), LAYER), small)
    with pytest.raises(UsageError, match="features alone do not follow strokes"):
        ganinvert.edit_strokes(features, small, painted("red", (0, 0, 9, 9)))
    with pytest.raises(UsageError, match="nothing says what to change"):
        ganinvert.edit_strokes(features, small)
    with pytest.raises(BundleError, match="made with"):
        ganinvert.edit_strokes(features, toy("style"), painted("red", (0, 0, 9, 9)))


def test_motion_and_colour_are_found_again() -> None:
    before = photo_like(64)
    u = torch.zeros(1, 2, 64, 64)
    u[:, 0], u[:, 1] = 2.0, -1.0
    after = 0.8 * warped(before, u) + torch.tensor([0.1, 0.0, 0.05])[:, None, None]
    found = motion(before, after)[..., 8:-8, 8:-8]
    assert (found - u[..., 8:-8, 8:-8]).abs().mean() < 0.25
    matrix, shift = colour_change(warped(before, u), after)
    moved = torch.einsum("bijhw,bjhw->bihw", matrix, warped(before, u)) + shift
    assert (moved - after).abs().mean() < 0.01
    assert motion(before, before).abs().max() < 1e-3


def test_an_edit_is_carried_over_to_the_large_photo() -> None:
    small = images.to_pil(photo_like(64)[0].numpy())
    large = small.resize((512, 512), Image.Resampling.BICUBIC)
    detail = Image.effect_noise((512, 512), 40).convert("RGB")
    large = Image.blend(large, detail, 0.15)
    photo = images.from_pil(large)
    placement = images.default_placement(large.size, "crop")
    bundle = bundle_of(CODES["latent"](toy("style"), "w"), toy("style"))
    start = images.to_pil(images.place(photo, placement, 64, note="").pixels / 2 + 0.5)
    tinted = Image.blend(start, Image.new("RGB", start.size, "red"), 0.3)
    same = carry_over([ganinvert.Edit(start, bundle)] * 2, photo, placement)
    assert images.to_array(images.difference(large, same.image)).max() <= 4
    edits = [ganinvert.Edit(image, bundle) for image in (start, tinted)]
    whole = carry_over(edits, photo, placement).image
    wanted = Image.blend(large, Image.new("RGB", large.size, "red"), 0.3)
    error, blunt = (
        images.to_array(images.difference(wanted, each)).mean() / 4 for each in (whole, tinted.resize((512, 512)))
    )
    assert error < 3
    assert error < blunt / 2


def test_the_command_edits_by_strokes_and_writes_film_and_photo(small: PGGANGenerator, tmp_path: Path) -> None:
    generator = tmp_path / "small.safetensors"
    small.save(generator)
    loaded = load_generator(generator)
    before = bundle_of(CODES["latent"](loaded, ""), loaded)
    before.save(tmp_path / "a.pt")
    photo = tmp_path / "photo.png"
    ganinvert.render(before, loaded).image.resize((100, 100)).save(photo)
    for name, colour, box in (("hair", "red", (0, 0, 63, 20)), ("line", "black", (0, 40, 63, 43))):
        painted(colour, box).save(tmp_path / f"{name}.png")
    known = ["-g", generator, "-o", tmp_path / "out", "--device", "cpu", "--align", "off"]
    strokes = ["--strokes", tmp_path / "hair.png", "--smooth", tmp_path / "line.png", "--closeness", "0.01"]
    command = ["edit", tmp_path / "a.pt", *strokes, "--film", "--transfer", photo, *known]
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert names(tmp_path / "out") == ["a.edit.png", "a.edit.pt", "a.edit.webp", "a.edit.whole.png"]
    assert "difference to the strokes" in result.stderr
    edited = LatentBundle.load(tmp_path / "out" / "a.edit.pt")
    assert edited.settings["closeness"] == 0.01
    whole = images.read(tmp_path / "out" / "a.edit.whole.png").rgb
    assert whole.size == (100, 100)
    again = ganinvert.transfer_edit(before, edited, loaded, photo, align="off")
    assert again.image.tobytes() == whole.tobytes()
    assert "up to date" in run(*command).stderr
    painted("blue", (0, 0, 63, 20)).save(tmp_path / "hair.png")
    assert "up to date" not in run(*command).stderr
    for wrong, words in (
        ([*strokes, "--direction", "sefa-0"], "edits of their own"),
        (["--film"], "go with strokes"),
        (["--strokes", tmp_path / "none.png"], "no such file"),
        (["--strokes", EXAMPLE], "no transparent ground"),
        ([*strokes, "--transfer", EXAMPLE, "--overwrite"], "not the one that the result was made from"),
        ([*strokes, "--closeness", "-1"], "closeness cannot be -1"),
    ):
        refused = run("edit", tmp_path / "a.pt", *wrong, *known)
        assert refused.exit_code in (1, 2), refused.output
        assert words in refused.stderr


def test_results_show_as_pictures_in_notebooks(portraits: Generator) -> None:
    bundle = bundle_of(CODES["latent"](portraits, ""), portraits)
    shown = bundle._repr_png_()
    assert shown is not None
    assert shown[:4] == b"\x89PNG"
    assert ganinvert.render(bundle, load_generator())._repr_png_() == shown
    assert bundle_of(CODES["latent"](toy("style"), "w"), toy("style"))._repr_png_() is None
