"""The contract of generators, for every family and every latent space."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

import ganinvert
from ganinvert.bundle import LatentBundle
from ganinvert.degradations import Identity
from ganinvert.errors import UsageError
from ganinvert.generators import (
    FAMILIES,
    Activations,
    Generator,
    PGGANGenerator,
    View,
    Window,
    apply_deltas,
    load_generator,
)
from ganinvert.generators.checks import check_render
from ganinvert.generators.mobilestylegan import MobileStyleGANArchitecture, MobileStyleGANGenerator
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.generators.stylegan2 import StyleGAN2Architecture, StyleGAN2Generator
from ganinvert.methods import (
    ActivationCode,
    Code,
    Composition,
    Latent,
    Residuals,
    method_of,
)
from ganinvert.optimize import solve
from ganinvert.settings import LayerResiduals, Objective, Optimization, PmSFC, SingleCode
from ganinvert.settings.common import plain
from ganinvert.subspaces import SubspacePartition

from .conftest import EXAMPLE
from .families import TOYS, toy, toy_family, write

GENERATORS = {
    "pggan": PGGANGenerator.random(PGGANArchitecture(12, (8, 8, 8, 7, 6, 5))),
    "mobilestylegan": MobileStyleGANGenerator.random(MobileStyleGANArchitecture((6, 6, 6), 4, (8,) * 6)),
    "stylegan2": StyleGAN2Generator.random(StyleGAN2Architecture((6, 7, 6), (8, 8, 6), labels=(2, 3))),
    **{name: toy(name) for name in TOYS},
}
SPACES = [(name, space) for name, generator in GENERATORS.items() for space in generator.spaces]
HALVES = SubspacePartition(torch.tensor([0, 1] * 4), "given")
FEW = Optimization(6, 1e-3, "constant", 0.0)
PIXELS = Objective(perceptual=0.0)


@pytest.fixture(autouse=True)
def families(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, network in TOYS.items():
        monkeypatch.setitem(FAMILIES, name, toy_family(name, network))


@pytest.fixture(params=SPACES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[Generator, str, Tensor]:
    name, space = request.param
    generator = GENERATORS[name]
    return generator, space, generator.space(space).sample(3, torch.Generator().manual_seed(1))


def same(a: Activations, b: Activations) -> bool:
    return all(torch.allclose(x, b.tensors()[name], atol=1e-5) for name, x in a.tensors().items())


def test_every_family_is_under_test() -> None:
    assert set(GENERATORS) == set(FAMILIES)


def test_split_anywhere_is_the_whole(case: tuple[Generator, str, Tensor]) -> None:
    generator, space, codes = case
    whole = generator(codes, space)
    assert whole.shape == (3, 3, generator.resolution, generator.resolution)
    for layer in range(generator.num_layers + 1):
        state, info = generator.features(codes, layer, space), generator.layer_info(layer)
        assert state.features.shape == (3, info.channels, info.size, info.size)
        assert torch.allclose(generator.synthesize(state, layer), whole, atol=1e-5)
        for stop in range(layer, generator.num_layers + 1):
            assert same(generator.carry(state, layer, stop), generator.features(codes, stop, space))


def test_images_do_not_depend_on_the_batch(case: tuple[Generator, str, Tensor]) -> None:
    generator, space, codes = case
    assert torch.allclose(generator(codes, space)[1:2], generator(codes[1:2], space), atol=1e-5)


def test_spaces_sample_project_and_weigh(case: tuple[Generator, str, Tensor]) -> None:
    generator, name, codes = case
    space = generator.space(name)
    assert space.name == name
    assert codes.shape == (3, *space.shape)
    assert torch.equal(codes, space.sample(3, torch.Generator().manual_seed(1)))
    assert space.mean().shape == space.shape
    assert (space.prior(space.mean()[None]) <= space.prior(codes)).all()
    once = codes.clone()
    space.project_(once)
    twice = once.clone()
    space.project_(twice)
    assert torch.allclose(once, twice, atol=1e-5)
    assert torch.allclose(space.lerp(codes, once, 0.0), codes, atol=1e-5)
    assert torch.allclose(space.lerp(codes, once, 1.0), once, atol=1e-5)


@pytest.mark.parametrize("cell", [1, 2, 4])
@pytest.mark.parametrize("parts", [1, 2, 4])
@pytest.mark.parametrize("name", GENERATORS)
def test_views_are_exact_parts_of_the_image(name: str, parts: int, cell: int) -> None:
    """And so are their gradients."""
    generator = GENERATORS[name]
    codes = generator.space().sample(2, torch.Generator().manual_seed(1))
    for layer in range(generator.num_layers + 1):
        state = generator.features(codes, layer).map(lambda x: x.detach().requires_grad_())
        whole, inputs = F.avg_pool2d(generator.synthesize(state, layer), cell), list(state.tensors().values())
        for n in range(parts**2):
            view = View(Window.tile(generator.resolution, parts, n), cell)
            images = generator.synthesize(state, layer, view), view.window.of(whole, ratio=cell)
            gradients = [
                torch.autograd.grad(x.square().sum(), inputs, retain_graph=True, allow_unused=True) for x in images
            ]
            assert torch.allclose(*images, atol=1e-5)
            for part, expected in zip(*gradients, strict=True):
                assert (part is None) == (expected is None)
                assert part is None or torch.allclose(part, expected, atol=1e-5)


def test_views_of_odd_places_are_exact() -> None:
    generator = GENERATORS["pggan"]
    state = generator.features(generator.space().sample(1, torch.Generator().manual_seed(1)), 3)
    window = Window((3, 8), (5, 16))
    expected = window.of(generator.synthesize(state, 3))
    assert torch.allclose(generator.synthesize(state, 3, View(window)), expected, atol=1e-5)


def test_views_compute_little_more_than_they_show(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, sizes = PGGANGenerator.random(PGGANArchitecture(4, (4,) * 12)), []
    carry = PGGANGenerator.carry_part

    def counted(self: PGGANGenerator, activations: Activations, start: int, window: Window) -> Activations:
        sizes.append(activations.features.shape[-1])
        return carry(self, activations, start, window)

    monkeypatch.setattr(PGGANGenerator, "carry_part", counted)
    state = generator.features(torch.ones(1, 4), 0)
    generator.synthesize(state, 0, View(Window.tile(128, 2, 3)))
    assert sizes == [1, 4, 4, 8, 8, 14, 12, 22, 20, 36, 34, 66]


@pytest.mark.parametrize("name", GENERATORS)
def test_weights_after_a_layer_are_those_that_synthesis_uses(name: str) -> None:
    generator = GENERATORS[name]
    state = {layer: generator.features(generator.space().sample(1, torch.Generator()), layer) for layer in (0, 2)}
    for layer, activations in state.items():
        weights = {key: value.clone().requires_grad_() for key, value in generator.named_parameters()}
        image = torch.func.functional_call(
            _Synthesis(generator), {f"generator.{key}": value for key, value in weights.items()}, (activations, layer)
        )
        image.sum().backward()
        assert {key for key, value in weights.items() if value.grad is not None} == set(generator.weights_after(layer))


@pytest.mark.parametrize("name", GENERATORS)
def test_styles_enter_where_the_family_says(name: str) -> None:
    generator = GENERATORS[name]
    inputs = generator.style_inputs()
    code = generator.space().sample(1, torch.Generator().manual_seed(2))
    styles = generator.styles(code)
    assert len(inputs) in (0, styles.shape[1])
    if "w+" in generator.spaces:
        assert styles.shape[1:] == generator.space("w+").shape
        assert torch.equal(generator.styles(styles, "w+"), styles)
        assert len(inputs) == styles.shape[1]
    for number, each in enumerate(inputs):
        assert each.matrix.ndim == 2
        assert each.matrix.shape[1] == styles.shape[2]
        moved = styles.clone()
        moved[:, number] += torch.randn(styles.shape[2], generator=torch.Generator().manual_seed(3))
        for layer in range(generator.num_layers + 1):
            before, after = (generator.carry(generator.begin(x), 0, layer).map(torch.detach) for x in (styles, moved))
            differs = any(
                not torch.equal(x, after.tensors()[key]) for key, x in before.tensors().items() if key != "styles"
            )
            assert differs == (layer >= each.layer)


class _Synthesis(torch.nn.Module):
    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, activations: Activations, layer: int) -> Tensor:
        return self.generator.synthesize(activations, layer)


def test_changes_of_zero_give_the_same_bits(case: tuple[Generator, str, Tensor]) -> None:
    generator, space, codes = case
    changeable = {**dict(generator.named_parameters()), **generator.noises()}
    tuned = apply_deltas(generator, {key: torch.zeros_like(value) for key, value in changeable.items()})
    assert torch.equal(tuned(codes, space), generator(codes, space))
    assert (tuned.name, tuned.digest, tuned.edit_layer) == (generator.name, generator.digest, generator.edit_layer)


@pytest.mark.parametrize("name", GENERATORS)
def test_labels_give_views_of_their_own(name: str) -> None:
    generator = GENERATORS[name]
    with pytest.raises(UsageError, match="has no class"):
        generator.given(generator.classes)
    if generator.classes:
        codes = generator.space().sample(1, torch.Generator())
        views = [generator.given(label) for label in range(generator.classes)]
        assert len({view.digest for view in (generator, *views)}) == len(views) + 1
        assert torch.equal(views[0](codes), generator(codes))
        assert not torch.equal(views[1](codes), generator(codes))


@pytest.mark.parametrize("name", GENERATORS)
def test_what_no_generator_has_is_refused(name: str) -> None:
    generator = GENERATORS[name]
    for call in (lambda: generator.space("q"), lambda: generator.layer_info(99)):
        with pytest.raises(UsageError):
            call()
    check_render(generator)


CODES = {
    "latent": lambda space: Latent(SingleCode(init="random", space=space)),
    "residuals": lambda space: Residuals(LayerResiduals(layer=2, init="random", space=space)),
    "composition": lambda space: Composition(PmSFC(2, 2, candidates=4, space=space), HALVES),
    "activations": lambda space: _FreeActivations(space),
}


class _FreeActivations:
    """F/W+: features and styles at a layer move, from those of a random code."""

    def __init__(self, space: str) -> None:
        self.space = space

    def start(self, generator: Generator, y: Tensor, degradation: Identity, *, seed: int) -> Code:
        codes = generator.space(self.space).sample(len(y), torch.Generator().manual_seed(seed))
        return ActivationCode(generator.features(codes, 3, self.space), 3, movable=True)


def bundle_of(code: Code, generator: Generator) -> LatentBundle:
    return LatentBundle(
        task="invert",
        method="toy",
        generator=generator.name,
        digest=generator.digest,
        composition=vars(PmSFC(2, 2, candidates=4)),
        code={"kind": code.kind, "space": code.space},
        layer=3,
        tensors=code.tensors(0),
        partition=HALVES,
        losses=torch.zeros(0),
        metrics={},
        settings={},
        provenance={},
    )


@pytest.mark.parametrize("kind", CODES)
def test_codes_of_every_kind_are_optimised_saved_restored_and_rendered_to_the_bit(
    kind: str, case: tuple[Generator, str, Tensor], tmp_path: Path
) -> None:
    generator, space, codes = case
    target = generator(codes[:1], space).detach()
    solution = solve(generator, target, method=CODES[kind](space), objective=PIXELS, optimization=FEW)
    code = solution.code
    assert code.kind == kind
    assert solution.losses[-1] < solution.losses[0]
    bundle = bundle_of(code, generator)
    bundle.save(tmp_path / "a.pt")
    again = LatentBundle.load(tmp_path / "a.pt")
    assert torch.equal(again.render(generator), bundle.render(generator))
    assert torch.allclose(again.render(generator), code.render(generator), atol=1e-5)
    assert "\n" not in repr(again)
    assert len(repr(again)) < 250
    edited = ganinvert.render(again, generator, subspaces=[1], scale=1.5).bundle
    assert not torch.equal(edited.render(generator), again.render(generator))
    first, second = ganinvert.swap(again, edited, generator, subspaces=[1])
    assert torch.allclose(first.bundle.render(generator), edited.render(generator), atol=1e-5)
    assert torch.allclose(second.bundle.render(generator), again.render(generator), atol=1e-5)


FREE = {
    "single": SingleCode("mean", sphere=False, space="f", layer=2, anchor=0.1, prior=0.1),
    "pmsfc": PmSFC(2, 2, layer=2, candidates=4, space="f"),
    "one style with noise": SingleCode("mean", sphere=False, space="w", jitter=0.05),
}


@pytest.mark.parametrize("name", FREE)
def test_styles_of_later_layers_are_free_behind_free_or_composed_features(name: str) -> None:
    generator, space = GENERATORS["style"], "w+"
    target = generator(generator.space(space).sample(2, torch.Generator().manual_seed(5)), space).detach()
    method = method_of(FREE[name], HALVES)
    code = solve(generator, target, method=method, objective=PIXELS, optimization=FEW).code
    alone = solve(generator, target[1:], method=method, objective=PIXELS, optimization=FEW).code
    assert torch.allclose(code.render(generator)[1], alone.render(generator)[0], atol=1e-4)
    bundle = replace(bundle_of(code, generator), composition=plain(FREE[name]), layer=max(code.layer, 2))
    assert torch.allclose(bundle.render(generator)[0], code.render(generator)[0], atol=1e-5)


def test_spaces_that_there_are_not_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot work in the space f"):
        LayerResiduals(space="f")
    with pytest.raises(UsageError, match="start equal"):
        PmSFC(init="mean")
    y = torch.zeros(1, 3, 24, 24)
    for settings, match in ((SingleCode(space="w"), "no latent space w"), (SingleCode("mean"), "no code of an image")):
        with pytest.raises(UsageError, match=match):
            method_of(settings, HALVES).start(GENERATORS["pggan"], y, Identity(), seed=0)


@pytest.mark.parametrize("name", TOYS)
def test_a_new_family_inverts_photos_from_its_file(name: str, tmp_path: Path) -> None:
    generator = load_generator(write(name, tmp_path / "toy.safetensors"))
    assert generator.digest == toy(name).digest
    settings = ganinvert.InversionSettings(PmSFC(2, 2, candidates=4), FEW, PIXELS)
    inverter = ganinvert.Inverter.load(tmp_path / "toy.safetensors", settings, partition=HALVES, device="cpu")
    with Image.open(EXAMPLE) as photo:
        result = inverter.run([inverter.prepare(photo)])[0]
    result.bundle.save(tmp_path / "a.pt")
    again = ganinvert.render(LatentBundle.load(tmp_path / "a.pt"), generator)
    assert again.image.tobytes() == result.image.tobytes()


def test_a_class_is_part_of_a_bundle() -> None:
    generator = toy("class")
    view = generator.given(2)
    target = view(view.space().sample(1, torch.Generator().manual_seed(3)))
    code = solve(view, target, method=Latent(SingleCode(init="random")), objective=PIXELS, optimization=FEW).code
    assert torch.equal(code.render(view), view(code.z))
    with pytest.raises(ganinvert.GanInvertError, match="made with"):
        bundle_of(code, view).render(generator)
