"""Edits of results on composed features: exchanging subspaces, interpolating, scaling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.devices import undisturbed
from ganinvert.errors import BundleError, UsageError
from ganinvert.generators import Activations, Generator, blended
from ganinvert.methods import ActivationCode, Code
from ganinvert.metrics import lpips, to_unit
from ganinvert.progress import report
from ganinvert.settings.common import InterpolationPath
from ganinvert.tasks.resolution import software

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Edit:
    """An image made from bundles.

    Attributes:
        image: Edited image, 8 bits.
        bundle: Bundle that renders the image again.
    """

    image: Image
    bundle: LatentBundle

    def _repr_png_(self) -> bytes:
        """The image as a PNG file, which Jupyter shows."""
        return images.encode_png(self.image)


@undisturbed()
def render(bundle: LatentBundle, generator: Generator, *, subspaces: Sequence[int] = (), scale: float = 1.0) -> Edit:
    """Render a bundle again; bit-exact on the CPU without an edit.

    Args:
        bundle: Bundle of any task; an edit agrees with its measurement, too.
        generator: Generator that made the bundle.
        subspaces: Numbers, 1 … R, of the subspaces whose features are multiplied by `scale`.
        scale: Factor; 1 changes nothing, 0 switches the subspaces off.

    Raises:
        BundleError: The bundle was made with another generator.
        UsageError: A subspace does not exist, or the scale is not finite.
    """
    if not math.isfinite(scale):
        raise UsageError(f"features cannot be scaled by {scale:g}", hint="choose a number, for instance 1.3")
    features = bundle.features(generator)
    if subspaces and scale != 1:
        channels = bundle.partition.channels(subspaces)[:, None, None]
        features = features.replace(torch.where(channels, scale * features.features, features.features))
        bundle = edited_bundle(
            bundle, ActivationCode(features, bundle.layer), "render", {"subspaces": listed(subspaces), "scale": scale}
        )
    return Edit(to_picture(bundle.render(generator, features=features)), bundle)


@undisturbed()
def swap(
    a: LatentBundle,
    b: LatentBundle,
    generator: Generator,
    *,
    subspaces: Sequence[int] = (),
    styles: Sequence[int] = (),
    strength: float = 1.0,
) -> tuple[Edit, Edit]:
    """Exchange subspaces between two images and decode them (PmSFC, figure 4), or styles (StyleGAN's style mixing).

    Args:
        a: First bundle.
        b: Second bundle, of the same generator and layer, and for subspaces of the same ones.
        generator: Generator that made both.
        subspaces: Numbers, 1 … R, of the subspaces whose composed features are exchanged.
        styles: Numbers from 0 of the styles that are exchanged instead. Where the bundles keep features, those stand
            for all styles before them.
        strength: Share of the way to the other's features; 1 replaces them.

    Returns:
        a with b's subspaces or styles, and b with a's. Metrics: "lpips_a" and "lpips_b", the distances to the unedited
        images.

    Raises:
        BundleError: The bundles do not belong together.
        UsageError: A subspace or style does not exist, or cannot be exchanged alone.
    """
    edited = exchange(a, b, generator, subspaces=subspaces, styles=styles, strength=strength)
    plain = [to_unit(bundle.decode(generator, bundle.features(generator))) for bundle in (a, b)]
    edits = []
    for bundle in edited:
        x = bundle.decode(generator, bundle.features(generator))
        distances = {f"lpips_{name}": float(lpips(to_unit(x), image)) for name, image in zip("ab", plain, strict=True)}
        edits.append(Edit(to_picture(x), replace(bundle, metrics=distances)))
    return edits[0], edits[1]


@undisturbed()
def exchange(
    a: LatentBundle,
    b: LatentBundle,
    generator: Generator,
    *,
    subspaces: Sequence[int] = (),
    styles: Sequence[int] = (),
    strength: float = 1.0,
) -> tuple[LatentBundle, LatentBundle]:
    """Exchange subspaces or styles as `swap` does, without decoding the images."""
    require_alike(a, b, subspaces=not styles)
    channels = a.partition.channels(subspaces)
    layer, before = _layer_of_styles(a, b, generator, styles) if styles else (a.layer, [])
    ours, theirs = (bundle.composed(generator, layer) for bundle in (a, b))
    chosen = {"styles": listed(styles)} if styles else {"subspaces": listed(subspaces)}
    edited = []
    for bundle, own, other in ((a, ours, theirs), (b, theirs, ours)):
        # Replaced to the bit at strength 1, so that exchanging twice gives the first image again.
        mixed = other if strength == 1 else own.lerp(other, strength)
        state = own.where_styles(mixed, styles, before) if styles else own.where(mixed, channels)
        code = ActivationCode(bundle.own(generator).carry(state, layer, bundle.layer), bundle.layer)
        made = edited_bundle(bundle, code, "swap", {**chosen, "strength": strength})
        edited.append(replace(made, measurement=None))
    return edited[0], edited[1]


def _layer_of_styles(
    a: LatentBundle, b: LatentBundle, generator: Generator, styles: Sequence[int]
) -> tuple[int, list[int]]:
    """Layer up to which both codes keep features, and numbers of the styles that those stand for."""
    generator.check_styles(styles)
    layer = max(bundle.restored(generator).layer for bundle in (a, b))
    return layer, [n for n, each in enumerate(generator.style_inputs()) if each.layer <= layer]


@undisturbed()
def swap_grid(a: LatentBundle, b: LatentBundle, generator: Generator, *, strength: float = 1.0) -> Image:
    """Draw the exchange of every subspace in one labelled picture (PmSFC, figure 4); arguments as in `swap`.

    A row per subspace: the two inversions at the ends, between them a with b's subspace and b with a's.
    """
    ends = swap(a, b, generator, subspaces=[])
    count, pairs = a.partition.subspaces, []
    for n in range(1, count + 1):
        report("exchanging each subspace", n - 1, count)
        pairs.append(swap(a, b, generator, subspaces=[n], strength=strength))
    return images.grid(
        [[ends[0].image, first.image, second.image, ends[1].image] for first, second in pairs],
        row_labels=[f"subspace {n}\n{size} channels" for n, size in enumerate(a.partition.sizes, 1)],
        column_labels=["A", "A with B's", "B with A's", "B"],
    )


@undisturbed()
def interpolate(
    a: LatentBundle, b: LatentBundle, generator: Generator, *, frames: int = 60, path: InterpolationPath = "features"
) -> list[Edit]:
    """Interpolate between two results (PmSFC, figure 6).

    Args:
        a: Bundle of the first frame.
        b: Bundle of the last frame.
        generator: Generator that made both.
        frames: Number of frames with both ends, at least 2.
        path: Space of the interpolation: linear in the composed "features", as the paper; or in the "codes" and
            weights, codes kept at their length.

    Raises:
        BundleError: The bundles do not belong together, or an edited one has no codes.
        UsageError: Fewer than 2 frames.
    """
    if frames < 2:
        raise UsageError(f"an interpolation cannot have {frames} frames", hint="choose at least 2")
    require_alike(a, b)
    first, last = a.features(generator), b.features(generator)
    edits = []
    for n in range(frames):
        report("rendering the frames", n, frames)
        share = n / (frames - 1)
        if 0 < share < 1 and path == "codes":
            features = _between_codes(a, b, generator, share)
        else:
            features = first.lerp(last, share) if share < 1 else last
        edited = edited_bundle(a, ActivationCode(features, a.layer), "interpolate", {"path": path, "share": share})
        bundle = replace(edited, measurement=None, deltas=blended(a.deltas, b.deltas, share))
        edits.append(Edit(to_picture(bundle.decode(generator, features)), bundle))
    return edits


def require_alike(a: LatentBundle, b: LatentBundle, *, subspaces: bool = True) -> None:
    """Raise BundleError if the generators, layers or, unless they do not matter, `subspaces` of two bundles differ."""
    ours, theirs = (
        {
            "generators": each.digest,
            "layers": each.layer,
            "subspaces": each.partition.labels.tolist() if subspaces else None,
        }
        for each in (a, b)
    )
    if different := [name for name in ours if ours[name] != theirs[name]]:
        raise BundleError(
            f"the two bundles have different {different[0]}",
            hint="invert both photos with the same generator, layer and number of subspaces",
        )


def _between_codes(a: LatentBundle, b: LatentBundle, generator: Generator, share: float) -> Activations:
    shapes = [{name: tensor.shape for name, tensor in bundle.tensors.items()} for bundle in (a, b)]
    if "z" not in shapes[0] or shapes[0] != shapes[1] or (a.code, a.composition) != (b.code, b.composition):
        raise BundleError(
            "these bundles have no codes that correspond", hint="interpolate their features: --path features"
        )
    tensors = {name: torch.lerp(tensor, b.tensors[name], share) for name, tensor in a.tensors.items()}
    tensors["z"] = generator.space(a.code["space"]).lerp(a.tensors["z"], b.tensors["z"], share)
    return replace(a, tensors=tensors, deltas=blended(a.deltas, b.deltas, share)).features(generator)


def edited_bundle(bundle: LatentBundle, code: Code, task: str, settings: dict[str, Any]) -> LatentBundle:
    """A bundle with an edited code, such as the edited features themselves, instead of its own."""
    origin = {name: bundle.provenance.get(key, "") for name, key in (("from", "input_sha256"), ("licence", "licence"))}
    return replace(
        bundle,
        task=task,
        code={"kind": code.kind, "space": code.space},
        tensors=code.tensors(0),
        losses=torch.zeros(0),
        metrics={},
        settings=settings,
        provenance={**origin, **software()},
    )


def to_picture(x: Tensor) -> Image:
    """An image (1, 3, r, r) about [-1, 1] in 8 bits."""
    return images.to_pil(to_unit(x)[0].cpu().numpy())


def listed(numbers: Sequence[int]) -> str:
    """Numbers in their order, with commas between, as bundles keep them."""
    return ",".join(map(str, sorted(set(numbers))))
