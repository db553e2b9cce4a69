"""Commands that edit results: their inputs are bundles, or photos that are inverted first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganinvert.cli import _methods as methods
from ganinvert.cli import _options as options
from ganinvert.cli._console import Show
from ganinvert.cli._inputs import STDIN, Input, expand
from ganinvert.cli._photos import watching
from ganinvert.cli._results import DEFAULT_NAME, Item, plan
from ganinvert.cli._transfers import ready_generator
from ganinvert.cli._work import Conduct
from ganinvert.errors import BundleError, UsageError
from ganinvert.settings import DEFAULT_GENERATOR, METHODS, InversionSettings, PmSFC, preset_of
from ganinvert.weights import registry
from ganinvert.weights.catalog import CATALOG

if TYPE_CHECKING:
    from ganinvert.bundle import LatentBundle
    from ganinvert.tasks import Inverter, PreparedImage

BUNDLES = frozenset({".pt"})
Source = Annotated[Path, typer.Argument(metavar="PHOTO|BUNDLE", help="Photo, which is inverted first, or .pt bundle.")]

SubspaceCount = Annotated[
    int | None,
    options.opt(
        options.METHOD,
        "-R",
        help="Number of subspaces in which photos are inverted.",
        metavar="R",
        show_default=str(PmSFC().subspaces),
    ),
]


@dataclass(frozen=True)
class Pair:
    """What commands that take two photos or bundles can be told."""

    a: Source
    b: Source
    target: options.Target = Path()
    name: options.Name = DEFAULT_NAME
    fit: options.Fit = "crop"
    align: options.AlignFaces = "auto"
    overwrite: options.Overwrite = False
    dry_run: options.DryRun = False
    as_json: options.AsJson = False
    no_metadata: options.NoMetadata = False
    generator: methods.Generator = None
    count: SubspaceCount = None
    codes: methods.Codes = None
    layer: methods.Layer = None
    preset: methods.PresetName = "default"
    steps: methods.Steps = None
    lr: methods.LearningRate = None
    seed: methods.Seed = 0
    device: options.Device = "auto"
    dtype: options.Dtype = "auto"
    offline: options.Offline = False
    config: options.Config = None
    quiet: options.Quiet = False
    verbose: options.Verbose = 0
    kept: frozenset[str] = frozenset()

    def items(self, command: str, suffixes: Mapping[str, str]) -> list[Item]:
        """The one item that both make.

        Raises:
            UsageError: The files are to go to stdout, or to where one of the inputs is.
        """
        if str(self.target) == STDIN:
            raise UsageError("stdout takes one picture, and these are several files", hint="give a folder with -o")
        for path in (self.a, self.b):
            if path.is_dir():
                raise UsageError(f"{path} is a folder", hint="name one photo or bundle")
        inputs = [expand([path])[0] for path in (self.a, self.b)]
        return plan([inputs], self.target, task=command, suffixes=suffixes, name=self.name)

    @property
    def conduct(self) -> Conduct:
        """How to go about it."""
        return Conduct(overwrite=self.overwrite, dry_run=self.dry_run, as_json=self.as_json)

    def inverter(self) -> Inverter:
        """Load the generator: that of `-g`, or that of a bundle, or the best there is.

        Photos beside a bundle are composed as the bundle was, so that the two belong together.
        """
        from ganinvert.bundle import LatentBundle
        from ganinvert.tasks import Inverter

        chosen = methods.adjusted(
            preset_of("pmsfc", "edit", self.preset),
            steps=self.steps,
            lr=self.lr,
            subspaces=self.count,
            codes=self.codes,
            layer=self.layer,
        )
        bundle = None
        for path in (self.a, self.b):
            if bundle is None and _is_bundle(path):
                with suppress(BundleError):  # reading the inputs says why
                    bundle = LatentBundle.load(path)
        if bundle is not None:
            given = {"count": self.count, "codes": self.codes, "layer": self.layer}
            if any(value is not None and name not in self.kept for name, value in given.items()):
                raise UsageError("-R, -K and --layer are those of the bundle", hint="leave them out beside a bundle")
            chosen = as_made(chosen, bundle)
        layer = None if bundle is not None else chosen.discovery_layer
        wanted = self.generator or (named_by(bundle) if bundle is not None else None)
        return Inverter.load(
            ready_generator(wanted, offline=self.offline or self.dry_run, layer=layer),
            chosen,
            partition=bundle.partition if bundle is not None else None,
            fit=self.fit,
            align=self.align,
            device=self.device,
            dtype=self.dtype,
            seed=self.seed,
        )


def as_made(chosen: InversionSettings, bundle: LatentBundle) -> InversionSettings:
    """The settings with the composition of a bundle; features that were not composed go with any."""
    try:
        entry = METHODS.get(bundle.method.partition("+")[0])
        name = chosen.name if entry is None or not entry.fixed else entry.name
        return replace(chosen, method=PmSFC(**bundle.composition), name=name)
    except (TypeError, UsageError):
        return replace(chosen, method=PmSFC(layer=bundle.layer))


@dataclass(frozen=True)
class Read:
    """The inputs of one item, as read.

    Attributes:
        sources: Bundles, and photos made ready.
        hashes: Of the settings and of the inputs.
    """

    sources: Sequence[LatentBundle | PreparedImage]
    hashes: tuple[str, str]


def _is_bundle(path: Path) -> bool:
    return path.suffix.lower() in BUNDLES


def read(inputs: Sequence[Input], settings: Mapping[str, Any], *, inverter: Inverter | None = None) -> Read:
    """Read bundles, and make photos ready to be inverted.

    Args:
        inputs: Files; those ending in .pt are bundles, as all are without an inverter.
        settings: The command's own.
        inverter: For the photos.
    """
    from ganinvert.bundle import LatentBundle

    sources: list[LatentBundle | PreparedImage] = []
    digests: list[str] = []
    inverting = ""
    for each in inputs:
        if inverter is None or _is_bundle(each.path):
            sources.append(LatentBundle.load(each.path))
            digests.append(hashlib.sha256(each.path.read_bytes()).hexdigest())
        else:
            target = inverter.prepare(each.path)
            sources.append(target)
            digests.append(target.sha256)
            inverting = inverter.settings_hash
    content = json.dumps([inverting, dict(settings)], sort_keys=True)
    return Read(sources, (_sha256(content), _sha256(",".join(digests))))


def inverted(read: Read, inverter: Inverter, show: Show) -> list[LatentBundle]:
    """The bundles, photos inverted."""
    from ganinvert.tasks import PreparedImage

    photos = [source for source in read.sources if isinstance(source, PreparedImage)]
    found = iter(inverter.run(photos, callback=watching(show)) if photos else [])
    return [next(found).bundle if isinstance(source, PreparedImage) else source for source in read.sources]


def named_by(bundle: LatentBundle) -> str:
    """The generator that a bundle names.

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


def dated(bundle: LatentBundle, read: Read) -> LatentBundle:
    """The bundle with what tells that it is up to date."""
    settings_hash, input_sha256 = read.hashes
    known = {"settings_hash": settings_hash, "input_sha256": input_sha256}
    return replace(bundle, provenance={**bundle.provenance, **known})


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
