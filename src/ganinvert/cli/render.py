"""`ganinvert render`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganinvert.cli import _methods as methods
from ganinvert.cli import _options as options
from ganinvert.cli._batch import treat
from ganinvert.cli._bundles import BUNDLES, Read, dated, named_by, read
from ganinvert.cli._console import Show
from ganinvert.cli._inputs import expand
from ganinvert.cli._results import DEFAULT_NAME, SUFFIXES, Item, chosen_suffixes, plan, png_text
from ganinvert.cli._transfers import ready_generator
from ganinvert.cli._work import Conduct, Done, Work
from ganinvert.errors import UsageError

if TYPE_CHECKING:
    from ganinvert.bundle import LatentBundle
    from ganinvert.generators import Generator

KINDS = {kind: SUFFIXES[kind] for kind in ("image", "bundle")}


def render(
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(metavar="BUNDLE", help="Bundles (.pt files), or folders of bundles.", show_default=False),
    ] = None,
    from_file: options.FromFile = None,
    recursive: options.Recursive = False,
    target: options.Target = Path(),
    name: options.Name = DEFAULT_NAME,
    save: Annotated[
        str, options.opt(options.IO, "--save", help="Files to write: image, bundle.", metavar="LIST")
    ] = "image,bundle",
    overwrite: options.Overwrite = False,
    fail_fast: options.FailFast = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
    no_metadata: options.NoMetadata = False,
    subspaces: Annotated[
        list[int] | None,
        options.opt(
            options.METHOD,
            "--subspace",
            help="Number of a subspace to scale, from 1; may be given several times.",
            metavar="N",
        ),
    ] = None,
    scale: Annotated[
        float | None,
        options.opt(
            options.METHOD,
            "--scale",
            help="Factor for the features of these subspaces: 1 changes nothing, 0 switches them off.",
            metavar="S",
        ),
    ] = None,
    generator: methods.BundleGenerator = None,
    offline: options.Offline = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Render bundles again, to the bit on the CPU; or with some subspaces stronger or weaker.

    Writes NAME.render.png and NAME.render.pt.

    Example: ganinvert render face.invert.pt --subspace 3 --scale 1.3
    """
    if (scale is None) != (not subspaces):
        raise UsageError("--subspace and --scale belong together", hint="for instance --subspace 3 --scale 1.3")
    suffixes = chosen_suffixes(save, KINDS)
    inputs = expand(bundles or [], from_file=from_file, recursive=recursive, suffixes=BUNDLES)
    items = plan([[each] for each in inputs], target, task="render", suffixes=suffixes, name=name)
    loaded: dict[str, Generator] = {}

    def load(bundle: LatentBundle) -> Generator:
        from ganinvert.generators import load_generator

        wanted = generator or named_by(bundle)
        if wanted not in loaded:
            loaded[wanted] = load_generator(ready_generator(wanted, offline=offline or dry_run))
        return loaded[wanted]

    def run(batch: Sequence[tuple[Item, Read]], _show: Show) -> list[Done]:
        factor = 1.0 if scale is None else scale
        return [_done(made, load, subspaces or [], factor, metadata=not no_metadata) for _, made in batch]

    work = Work(
        prepare=lambda item: read(item.inputs, {"subspaces": subspaces, "scale": scale}),
        identity=lambda made: made.hashes,
        run=run,
        done="rendered",
    )
    conduct = Conduct(overwrite=overwrite, fail_fast=fail_fast, dry_run=dry_run, as_json=as_json)
    treat(items, work, conduct, command="render")


def _done(
    made: Read, load: Callable[[LatentBundle], Generator], subspaces: Sequence[int], scale: float, *, metadata: bool
) -> Done:
    from ganinvert.bundle import LatentBundle
    from ganinvert.images import encode_png
    from ganinvert.tasks import render

    bundle = next(source for source in made.sources if isinstance(source, LatentBundle))
    edit = render(bundle, load(bundle), subspaces=subspaces, scale=scale)
    kept = dated(edit.bundle, made)
    text = png_text(kept) if metadata else None
    return Done(files={"image": lambda: encode_png(edit.image, text), "bundle": kept.encode})
