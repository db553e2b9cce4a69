"""Directions by GANSpace and SeFa, edits along them, and exchanges of styles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import ganinvert
from ganinvert import paths
from ganinvert.bundle import LatentBundle
from ganinvert.directions import Directions, find_directions, ganspace, sefa
from ganinvert.directions.directions import SAMPLES
from ganinvert.errors import BundleError, UsageError
from ganinvert.generators import FAMILIES, Generator, PGGANGenerator, load_generator
from ganinvert.methods import ActivationCode, Code, ComposedCode, LatentCode, ResidualCode
from ganinvert.settings import PmSFC, SingleCode

from .commandline import names, photo, run
from .families import LAYERS, STYLE, StyleToy, toy, toy_family, write
from .test_contract_generators import HALVES, bundle_of

LAYER = 3
"""Editing layer of the bundles."""


@pytest.fixture(scope="module")
def style() -> Generator:
    return toy("style")


def sampled(generator: Generator, space: str, seed: int = 5) -> Tensor:
    return generator.space(space).sample(1, torch.Generator().manual_seed(seed))


def composed(generator: Generator, space: str) -> ComposedCode:
    codes = generator.space(space).sample(4, torch.Generator().manual_seed(6))
    w = torch.rand(1, 2, 8, generator=torch.Generator().manual_seed(7))
    return ComposedCode(codes.unflatten(0, (1, 2, 2)), w, HALVES, PmSFC(2, 2, candidates=4), space=space)


def residual(generator: Generator, space: str) -> ResidualCode:
    shapes = {layer: generator.layer_info(layer) for layer in (1, 2)}
    residuals = {layer: torch.full((1, each.channels, each.size, each.size), 0.1) for layer, each in shapes.items()}
    return ResidualCode(sampled(generator, space), residuals, scale=torch.full((8,), 2.0), space=space)


CODES = {
    "latent": lambda generator, space: LatentCode(sampled(generator, space), SingleCode(), space=space),
    "residuals": residual,
    "composition": composed,
    "activations": lambda generator, space: ActivationCode(
        generator.features(sampled(generator, space), LAYER, space), LAYER
    ),
}


def rendered(code: Code, generator: Generator) -> Tensor:
    return bundle_of(code, generator).render(generator)


def test_ganspace_finds_the_principal_components_of_w(style: Generator) -> None:
    found = ganspace(style)
    codes = style.space("w").sample(SAMPLES, torch.Generator().manual_seed(0)).double()
    values, vectors = torch.linalg.eigh(torch.cov(codes.T))
    assert torch.allclose(found.vectors @ found.vectors.T, torch.eye(STYLE), atol=1e-5)
    assert torch.allclose(found.deviations.double(), values.flip(0).sqrt(), rtol=1e-4)
    along = (found.vectors.double() * vectors.T.flip(0)).sum(dim=1)
    assert torch.allclose(along.abs(), torch.ones(STYLE, dtype=torch.float64), atol=1e-4)
    assert found.space == "w"
    assert (found.vectors.gather(1, found.vectors.abs().argmax(1, keepdim=True)) > 0).all()


def test_ganspace_of_features_is_the_regression_on_their_principal_components(small: PGGANGenerator) -> None:
    found = ganspace(small)
    codes = small.space().sample(SAMPLES, torch.Generator().manual_seed(0))
    features = small.features(codes, 1).features.flatten(1)
    features = features - features.mean(dim=0)
    _, _, v = torch.linalg.svd(features, full_matrices=False)
    columns = torch.linalg.lstsq(features @ v[:4].T, codes).solution
    along = torch.nn.functional.cosine_similarity(columns, found.vectors[:4])
    assert torch.allclose(along.abs(), torch.ones(4), atol=1e-3)
    assert found.space == "z"
    assert len(found.vectors) == small.space().shape[0]
    assert torch.allclose(found.vectors.norm(dim=1), torch.ones(len(found.vectors)), atol=1e-5)
    assert torch.allclose(found.deviations, torch.ones(len(found.deviations)), atol=0.05)


def test_sefa_solves_its_closed_form(style: Generator, small: PGGANGenerator) -> None:
    for generator, space in ((style, "w"), (small, "z")):
        found = sefa(generator)
        rows = torch.cat([each.matrix for each in generator.style_inputs()]).double()
        rows = rows / rows.norm(dim=1, keepdim=True)
        gains = (rows @ found.vectors.double().T).square().sum(dim=0)
        assert (gains.diff() <= 1e-5).all()
        assert gains.sum() == pytest.approx(len(rows), rel=1e-4)
        for vector, gain in zip(found.vectors.double(), gains, strict=True):
            assert torch.allclose(rows.T @ (rows @ vector), gain * vector, atol=1e-4)
        assert torch.allclose(found.vectors @ found.vectors.T, torch.eye(len(found.vectors)), atol=1e-5)
        assert found.space == space
    assert not torch.allclose(sefa(style, [0, 1]).vectors, sefa(style).vectors, atol=1e-3)


def test_directions_are_kept_by_the_digest_and_found_anew_if_damaged(
    style: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = find_directions(style, "ganspace")
    file = next(paths.directions_dir().rglob("ganspace.safetensors"))
    with monkeypatch.context() as patched:
        patched.setattr("ganinvert.directions.store.ganspace", lambda _: pytest.fail("they are kept"))
        assert torch.equal(find_directions(style, "ganspace").vectors, first.vectors)
    file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(find_directions(style, "ganspace").vectors, first.vectors)
    assert not torch.equal(find_directions(toy("style", 1), "ganspace").vectors, first.vectors)
    assert not torch.equal(find_directions(style, "sefa", [2]).vectors, find_directions(style, "sefa").vectors)


@pytest.mark.parametrize("space", ["z", "w", "w+"])
@pytest.mark.parametrize("kind", CODES)
def test_codes_of_every_kind_and_space_move(kind: str, space: str, style: Generator, tmp_path: Path) -> None:
    bundle = bundle_of(CODES[kind](style, space), style)
    start = bundle.render(style)
    for styles in (None, [0, 1], [LAYERS - 1]):
        still, less, more, much = (
            ganinvert.edit(bundle, style, direction="ganspace-0", strength=strength, styles=styles).bundle
            for strength in (0, -0.01, 0.01, 2)
        )
        assert torch.equal(still.render(style), start)
        changes = [edited.render(style) - start for edited in (less, more, much)]
        assert torch.allclose(changes[0], -changes[1], atol=2e-4)
        assert 0 < changes[1].abs().mean() < changes[2].abs().mean()
        much.save(tmp_path / "a.pt")
        again = LatentBundle.load(tmp_path / "a.pt")
        assert torch.equal(again.render(style), much.render(style))
        back = ganinvert.edit(again, style, direction="ganspace-0", strength=-2, styles=styles).bundle
        assert torch.allclose(back.render(style), start, atol=1e-4)


def test_styles_of_one_code_move_as_its_codes_and_features_do(style: Generator) -> None:
    """W and F/W+ without differences of their own are edited to the same image."""
    w = sampled(style, "w")
    codes = [
        LatentCode(w, SingleCode(), space="w"),
        LatentCode(style.styles(w, "w"), SingleCode(), space="w+"),
        ActivationCode(style.features(w, LAYER, "w"), LAYER),
    ]
    shift = ganspace(style).shift(1, 1.5)
    expected = style(w + shift.vector, "w")
    for code in codes:
        assert torch.allclose(rendered(code.shifted(style, shift), style), expected, atol=1e-5)
    assert torch.allclose(rendered(composed(style, "w").shifted(style, shift), style), rendered(_moved(style), style))


def _moved(style: Generator) -> ComposedCode:
    code = composed(style, "w")
    code.z.data += ganspace(style).shift(1, 1.5).vector
    return code


def test_free_styles_beside_a_composition_move_with_its_codes(style: Generator) -> None:
    shift = ganspace(style).shift(0, 1)
    code = composed(style, "w")
    code.styles = torch.nn.Parameter(style.styles(sampled(style, "w"), "w"))
    moved = code.shifted(style, shift)
    assert moved.styles is not None
    assert torch.allclose(moved.styles, code.styles + shift.vector)
    assert torch.allclose(moved.z, code.z + shift.vector)
    assert not torch.equal(moved.render(style), code.render(style))


def test_codes_of_z_move_in_z_where_there_is_no_w(small: PGGANGenerator) -> None:
    z = sampled(small, "z")
    bundle = replace(bundle_of(LatentCode(z, SingleCode()), small), layer=0)
    edited = ganinvert.edit(bundle, small, direction="sefa-1", strength=3).bundle
    found = sefa(small)
    assert edited.code == {"kind": "latent", "space": "z"}
    assert torch.allclose(edited.tensors["z"], z[0] + 3 * found.deviations[1] * found.vectors[1])
    assert edited.task == "edit"
    assert edited.settings == {"direction": "sefa-1", "strength": 3}


@pytest.mark.parametrize("kind", CODES)
def test_styles_are_exchanged(kind: str, style: Generator) -> None:
    make = CODES[kind]
    a, b = (bundle_of(make(style, "w"), style) for _ in range(2))
    b = replace(b, tensors={**b.tensors, **_other(style, b)})
    everything = list(range(LAYERS))
    first, second = ganinvert.swap(a, b, style, styles=everything)
    assert torch.equal(first.bundle.render(style), b.render(style))
    assert torch.equal(second.bundle.render(style), a.render(style))
    assert abs(first.bundle.metrics["lpips_b"]) < 1e-6
    once = ganinvert.swap(a, b, style, styles=[LAYERS - 1])
    assert not torch.equal(once[0].bundle.render(style), a.render(style))
    twice = ganinvert.swap(once[0].bundle, once[1].bundle, style, styles=[LAYERS - 1])
    assert torch.equal(twice[0].bundle.render(style), a.render(style))
    half = ganinvert.swap(a, b, style, styles=[LAYERS - 1], strength=0.5)[0].bundle
    assert (half.render(style) - a.render(style)).abs().mean() > 0
    if kind == "latent":
        mixed = torch.cat(
            [style.styles(b.tensors["z"][None], "w")[:, :2], style.styles(a.tensors["z"][None], "w")[:, 2:]], 1
        )
        coarse = ganinvert.swap(a, b, style, styles=[0, 1])[0].bundle
        assert torch.allclose(coarse.render(style), style(mixed, "w+"), atol=1e-5)
    else:
        with pytest.raises(UsageError, match=r"styles 0-\d, which can only be exchanged together"):
            ganinvert.swap(a, b, style, styles=[0])


def _other(style: Generator, bundle: LatentBundle) -> dict[str, Tensor]:
    """Tensors of the same code of another image."""
    w = sampled(style, "w", 11)
    if bundle.code["kind"] == "activations":
        return ActivationCode(style.features(w, LAYER, "w"), LAYER).tensors(0)
    return {"z": bundle.tensors["z"] + w[0]}


@pytest.mark.parametrize("space", ["z", "w", "w+"])
@pytest.mark.parametrize("path", ["features", "codes"])
def test_interpolations_are_linear_in_w(space: str, path: str, style: Generator) -> None:
    a, b = (bundle_of(LatentCode(sampled(style, space, n), SingleCode(), space=space), style) for n in (1, 2))
    edits = ganinvert.interpolate(a, b, style, frames=3, path=path)  # type: ignore[arg-type]
    images = [edit.bundle.render(style) for edit in edits]
    assert torch.equal(images[0], a.render(style))
    assert torch.equal(images[2], b.render(style))
    if path == "codes" and space != "z":
        middle = (a.tensors["z"] + b.tensors["z"])[None] / 2
        assert torch.allclose(images[1], style(middle, space), atol=1e-5)


def test_what_has_no_direction_or_style_is_refused(style: Generator, small: PGGANGenerator) -> None:
    latent = bundle_of(LatentCode(sampled(style, "z"), SingleCode()), style)
    for name, words in (("smile", "is no direction"), ("sefa-99", "no direction 99"), ("pca-1", "is no direction")):
        with pytest.raises(UsageError, match=words):
            ganinvert.edit(latent, style, direction=name)
    for styles in ([4], [-1], []):
        with pytest.raises(UsageError, match="not all are styles of style"):
            ganinvert.edit(latent, style, direction="sefa-0", styles=styles)
    with pytest.raises(UsageError, match="cannot be nan"):
        ganinvert.edit(latent, style, direction="sefa-0", strength=float("nan"))
    with pytest.raises(BundleError, match="made with style"):
        ganinvert.edit(latent, small, direction="sefa-0")
    features = ActivationCode(small.features(sampled(small, "z"), LAYER), LAYER)
    with pytest.raises(UsageError, match="features without styles"):
        ganinvert.edit(bundle_of(features, small), small, direction="sefa-0")
    other = replace(bundle_of(LatentCode(sampled(small, "z"), SingleCode()), small))
    for call in (
        lambda: ganinvert.edit(other, small, direction="sefa-0", styles=[0]),
        lambda: ganinvert.swap(other, other, small, styles=[0]),
    ):
        with pytest.raises(UsageError, match="has no styles"):
            call()


def test_families_that_tell_no_matrices_have_ganspace_alone() -> None:
    generator = toy("class")
    z = sampled(generator, "z")
    bundle = bundle_of(LatentCode(z, SingleCode()), generator)
    with pytest.raises(UsageError, match="no matrices of styles"):
        ganinvert.edit(bundle, generator, direction="sefa-0")
    edited = ganinvert.edit(bundle, generator, direction="ganspace-0", strength=1).bundle
    assert torch.allclose(edited.tensors["z"], z[0] + ganspace(generator).shift(0, 1).vector)
    sheet = ganinvert.edit_sheet(bundle, generator)
    assert sheet.width < 4 * 140
    foreign = bundle_of(LatentCode(sampled(generator, "z+class"), SingleCode(), space="z+class"), generator)
    with pytest.raises(UsageError, match="cannot be moved along a direction of z"):
        ganinvert.edit(foreign, generator, direction="ganspace-0")


def test_the_sheet_shows_both_ends_of_every_direction(style: Generator) -> None:
    bundle = bundle_of(LatentCode(sampled(style, "z"), SingleCode()), style)
    sheet = ganinvert.edit_sheet(bundle, style, strength=2)
    tile = 128
    left, top, step = sheet.width - (6 * tile + 5 * 4), sheet.height - (STYLE * tile + (STYLE - 1) * 4), tile + 4
    for row, column, direction, strength in ((0, 0, "ganspace-0", -2), (3, 5, "sefa-3", 2), (2, 1, "sefa-0", 0)):
        place = (left + column * step, top + row * step)
        shown = sheet.crop((*place, place[0] + tile, place[1] + tile)).resize((16, 16), 0)
        assert shown.tobytes() == ganinvert.edit(bundle, style, direction=direction, strength=strength).image.tobytes()


def test_directions_give_unit_vectors_of_a_definite_sign() -> None:
    vectors = torch.tensor([[1.0, -3.0], [-2.0, 1.0]])
    found = Directions.measured("w", vectors, torch.tensor([[0.0, 0.0], [0.0, 2.0]]))
    opposite = Directions.measured("w", -5 * vectors, torch.tensor([[0.0, 0.0], [0.0, 2.0]]))
    assert torch.allclose(found.vectors, opposite.vectors)
    assert torch.allclose(found.vectors[0], torch.tensor([-1.0, 3.0]) / 10**0.5)
    assert found.deviations[0] == pytest.approx(2**0.5 * 3 / 10**0.5)


def test_the_commands_edit_and_mix_style_based_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "style", toy_family("style", StyleToy))
    generator = load_generator(write("style", tmp_path / "toy.safetensors"))
    for n, name in enumerate("ab"):
        bundle_of(LatentCode(sampled(generator, "w", n), SingleCode(), space="w"), generator).save(
            tmp_path / f"{name}.pt"
        )
    ends = [tmp_path / "a.pt", tmp_path / "b.pt"]
    known = ["-g", tmp_path / "toy.safetensors", "-o", tmp_path / "out", "--device", "cpu"]
    for command in (
        ["swap", *ends, "--styles", "0-1"],
        ["edit", *ends, "--direction", "sefa-1", "--styles", "2,3", "--strength", "-1"],
        ["interpolate", *ends, "--frames", "3", "--path", "codes", "--save", "strip"],
    ):
        result = run(*command, *known)
        assert result.exit_code == 0, result.output
        assert "up to date" in run(*command, *known).stderr
    assert names(tmp_path / "out") == [
        "a-b.interpolate.png",
        *[f"a-b.swap.{side}.{kind}" for side in "ab" for kind in ("png", "pt")],
        *[f"{side}.edit.{kind}" for side in "ab" for kind in ("png", "pt")],
    ]
    a, b = (LatentBundle.load(end) for end in ends)
    swapped, edited = (LatentBundle.load(tmp_path / "out" / name) for name in ("a-b.swap.a.pt", "a.edit.pt"))
    expected = ganinvert.swap(a, b, generator, styles=[0, 1])[0].bundle
    assert torch.equal(swapped.render(generator), expected.render(generator))
    assert swapped.settings == {"styles": "0,1", "strength": 1.0}
    assert (edited.code["space"], edited.settings["styles"]) == ("w+", "2,3")
    assert torch.equal(edited.tensors["z"][:2], generator.styles(a.tensors["z"][None], "w")[0, :2])
    wrong = run("swap", *ends, "--styles", "2-4", *known, "--name", "wrong")
    assert wrong.exit_code == 2
    assert "hint: its styles are 0 … 3" in wrong.stderr


def test_photos_of_style_based_generators_are_inverted_before_they_are_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, "style", toy_family("style", StyleToy))
    picture = photo(tmp_path / "a.png", (32, 32))
    known = ["-g", write("style", tmp_path / "toy.safetensors"), "-o", tmp_path, "--device", "cpu", "--steps", "3"]
    result = run("edit", picture, "--direction", "ganspace-0", "--strength", "1", *known)
    assert result.exit_code == 0, result.output
    edited = LatentBundle.load(tmp_path / "a.edit.pt")
    assert (edited.method, edited.code["kind"], edited.code["space"]) == ("bdinvert", "residuals", "w+")
    for command in (["swap", picture, picture, "--styles", "0-1"], ["interpolate", picture, picture]):
        result = run(*command, *known, *(["--frames", "2"] if command[0] == "interpolate" else []))
        assert result.exit_code == 0, result.output
