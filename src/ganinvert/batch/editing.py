"""The sessions of edits: swap, interpolate, edit and render."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from ganinvert import images, tasks
from ganinvert.batch.job import Job, Product
from ganinvert.batch.outputs import png_text
from ganinvert.batch.requests import (
    DirectionRequest,
    EditRequest,
    InterpolationRequest,
    RenderRequest,
    SwapRequest,
    edit_names,
)
from ganinvert.batch.session import Session, Watch
from ganinvert.bundle import LatentBundle
from ganinvert.directions import find_directions
from ganinvert.errors import UsageError
from ganinvert.generators import Generator, load_generator
from ganinvert.generators.fetch import obtain
from ganinvert.settings.common import DEFAULT_GENERATOR
from ganinvert.settings.directions import parse_direction
from ganinvert.tasks import Inverter, PreparedImage
from ganinvert.weights import registry
from ganinvert.weights.catalog import CATALOG
from ganinvert.weights.store import Store

R = TypeVar("R", bound=EditRequest)
STRIP = 8
"""Most images in a strip."""


def generator_name(bundle: LatentBundle) -> str:
    """The name of the generator that made a bundle.

    Raises:
        UsageError: It is a file, whose place the bundle does not know.
    """
    known = bundle.generator == DEFAULT_GENERATOR or bundle.generator in CATALOG
    if not known and registry.find(bundle.generator) is None:
        raise UsageError(
            f"the bundle was made with a generator file, {bundle.generator} ({bundle.digest[:12]})",
            hint="name that file with -g",
        )
    return bundle.generator


@dataclass(frozen=True)
class Sources:
    """Bundles and prepared photos of an edit, and the SHA-256 of its settings and of its inputs."""

    sources: Sequence[LatentBundle | PreparedImage]
    hashes: tuple[str, str]

    def stamp(self, bundle: LatentBundle) -> LatentBundle:
        """The bundle with the hashes by which it is known to be up to date."""
        hashes = dict(zip(("settings_hash", "input_sha256"), self.hashes, strict=True))
        return replace(bundle, provenance={**bundle.provenance, **hashes})


def read_sources(job: Job, settings: Mapping[str, Any], *, inverter: Inverter | None = None) -> Sources:
    """Read the bundles among the inputs, which end in .pt, and prepare photos; without an inverter, all are bundles."""
    sources: list[LatentBundle | PreparedImage] = []
    digests: list[str] = []
    inversion = ""
    for each in job.inputs:
        if inverter is None or each.path.suffix.lower() == ".pt":
            sources.append(LatentBundle.load(each.path))
            digests.append(hashlib.sha256(each.path.read_bytes()).hexdigest())
        else:
            photo = inverter.prepare(each.path)
            sources.append(photo)
            digests.append(photo.sha256)
            inversion = inverter.settings_hash
    content = json.dumps([inversion, dict(settings)], sort_keys=True)
    return Sources(sources, (_sha256(content), _sha256(",".join(digests))))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class EditSession(Session[Sources], Generic[R]):
    """A loaded generator that edits photos or bundles."""

    def __init__(self, request: R) -> None:
        self.request = request
        partition = None if request.bundle is None else LatentBundle.load(request.bundle).partition
        self.inverter = Inverter.open(request.request, partition)

    def prepare(self, job: Job) -> Sources:
        """Read them."""
        return read_sources(job, self.request.settings, inverter=self.inverter)

    def identity(self, prepared: Sources) -> tuple[str, str]:
        """SHA-256 of the settings and of the inputs."""
        return prepared.hashes

    def run(self, batch: Sequence[tuple[Job, Sources]], watch: Watch) -> list[Product]:
        """Invert the photos, and edit on the CPU, where a result is the same to the bit."""
        products = []
        for job, sources in batch:
            bundles = self._bundles(sources, watch)
            self.inverter.generator.cpu()
            products.append(self.edit(job, sources, bundles))
            self.inverter.generator.to(self.inverter.device)
        return products

    @abstractmethod
    def edit(self, job: Job, sources: Sources, bundles: Sequence[LatentBundle]) -> Product:
        """Edit the bundles of a job."""

    def _bundles(self, sources: Sources, watch: Watch) -> list[LatentBundle]:
        photos = [source for source in sources.sources if isinstance(source, PreparedImage)]
        results = iter(self.inverter.run(photos, callback=watch) if photos else [])
        return [next(results).bundle if isinstance(source, PreparedImage) else source for source in sources.sources]


class SwapSession(EditSession[SwapRequest]):
    """Exchanges subspaces or styles.

    Raises:
        UsageError: One of the subspaces or styles does not exist.
    """

    def __init__(self, request: SwapRequest) -> None:
        super().__init__(request)
        self.inverter.partition.channels(request.subspaces)
        if request.styles:
            self.inverter.generator.check_styles(request.styles)

    def edit(self, job: Job, sources: Sources, bundles: Sequence[LatentBundle]) -> Product:
        """Exchange the subspaces or styles of two bundles."""
        a, b = bundles
        generator, numbers, strength = self.inverter.generator, self.request.subspaces, self.request.strength
        edits = tasks.swap(a, b, generator, subspaces=numbers, styles=self.request.styles, strength=strength)
        edited = [sources.stamp(edit.bundle) for edit in edits]
        text = png_text(edited[0]) if self.request.metadata else None
        contents = {"bundle_b": edited[1].encode, "bundle": edited[0].encode}
        files = {kind: contents[kind]() for kind in contents if kind in job.kinds}
        files |= {kind: images.encode_png(edit.image, text) for kind, edit in zip("ab", edits, strict=True)}
        if "grid" in job.kinds:
            files["grid"] = images.encode_png(tasks.swap_grid(a, b, generator, strength=strength), text)
        if not (numbers or self.request.styles):
            return Product(files)
        distances = {
            f"{side}_{name}": value
            for side, bundle in zip("ab", edited, strict=True)
            for name, value in bundle.metrics.items()
        }
        verdict = "LPIPS to A and to B: a {a_lpips_a:.3f}, {a_lpips_b:.3f}; b {b_lpips_a:.3f}, {b_lpips_b:.3f}"
        return Product(files, metrics=distances, verdict=verdict.format(**distances))


class InterpolationSession(EditSession[InterpolationRequest]):
    """Makes the images between."""

    def edit(self, job: Job, sources: Sources, bundles: Sequence[LatentBundle]) -> Product:
        """Interpolate between two bundles."""
        a, b = bundles
        frames = self.request.frames
        edits = tasks.interpolate(a, b, self.inverter.generator, frames=frames, path=self.request.path)
        pictures = [edit.image for edit in edits]
        text = png_text(sources.stamp(edits[0].bundle)) if self.request.metadata else None
        strip = sorted({round(n * (frames - 1) / (STRIP - 1)) for n in range(STRIP)})
        files: dict[str, bytes] = {}
        for kind in job.kinds:
            if kind in ("webp", "gif"):
                files[kind] = images.encode_animation(pictures, kind)
            elif kind == "strip":
                files[kind] = images.encode_png(images.grid([[pictures[n] for n in strip]]), text)
            else:
                files[kind] = images.encode_png(pictures[int(kind.removeprefix("frame ")) - 1], text)
        return Product(files)


class DirectionSession(EditSession[DirectionRequest]):
    """Moves codes along a direction.

    Raises:
        UsageError: The direction or one of the styles does not exist.
    """

    def __init__(self, request: DirectionRequest) -> None:
        super().__init__(request)
        kind, number = parse_direction(request.direction or "ganspace-0")
        find_directions(self.inverter.generator, kind, request.styles).shift(number, 0)

    def edit(self, job: Job, sources: Sources, bundles: Sequence[LatentBundle]) -> Product:
        """Edit a bundle with every strength, and draw the sheet."""
        (bundle,), request, generator = bundles, self.request, self.inverter.generator
        files: dict[str, bytes] = {}
        if "sheet" in job.kinds:
            strength = max(map(abs, request.strengths))
            sheet = tasks.edit_sheet(bundle, generator, strength=strength, styles=request.styles)
            files["sheet"] = images.encode_png(sheet, self._text(sources.stamp(bundle)))
        for (image, kept, _), strength in zip(edit_names(request.strengths), request.strengths, strict=True):
            if request.direction is not None:
                edit = tasks.edit(
                    bundle, generator, direction=request.direction, strength=strength, styles=request.styles
                )
                stamped = sources.stamp(edit.bundle)
                files |= {image: images.encode_png(edit.image, self._text(stamped)), kept: stamped.encode()}
        return Product(files)

    def _text(self, bundle: LatentBundle) -> dict[str, object] | None:
        return png_text(bundle) if self.request.metadata else None


class RenderSession(Session[Sources]):
    """Renders bundles, each with its generator."""

    def __init__(self, request: RenderRequest) -> None:
        self.request = request
        self._generators: dict[str, Generator] = {}

    def prepare(self, job: Job) -> Sources:
        """Read the bundle."""
        return read_sources(job, self.request.settings)

    def identity(self, prepared: Sources) -> tuple[str, str]:
        """SHA-256 of the settings and of the bundle."""
        return prepared.hashes

    def run(self, batch: Sequence[tuple[Job, Sources]], watch: Watch) -> list[Product]:  # noqa: ARG002  (no steps)
        """Render the bundles."""
        return [self._product(job, sources) for job, sources in batch]

    def _product(self, job: Job, sources: Sources) -> Product:
        bundle = next(source for source in sources.sources if isinstance(source, LatentBundle))
        scale = 1.0 if self.request.scale is None else self.request.scale
        edit = tasks.render(bundle, self._generator(bundle), subspaces=self.request.subspaces or (), scale=scale)
        stamped = sources.stamp(edit.bundle)
        text = png_text(stamped) if self.request.metadata else None
        contents = {"image": lambda: images.encode_png(edit.image, text), "bundle": stamped.encode}
        return Product({kind: contents[kind]() for kind in job.kinds})

    def _generator(self, bundle: LatentBundle) -> Generator:
        name = self.request.generator or generator_name(bundle)
        if name not in self._generators:
            if name in CATALOG:
                obtain(CATALOG[name], Store(), offline=self.request.offline)
            self._generators[name] = load_generator(name)
        return self._generators[name]
