"""`ganinvert invert`."""

from __future__ import annotations

from pathlib import Path

from ganinvert.cli import _options as options
from ganinvert.cli._batch import Conduct, treat
from ganinvert.cli._inputs import expand
from ganinvert.cli._photos import photo_work
from ganinvert.cli._results import DEFAULT_NAME, chosen_suffixes, plan
from ganinvert.cli._transfers import ready_generator
from ganinvert.settings import INVERT

TASK = "invert"


def invert(
    images: options.Images = None,
    from_file: options.FromFile = None,
    recursive: options.Recursive = False,
    target: options.Target = Path(),
    name: options.Name = DEFAULT_NAME,
    save: options.Save = "image,bundle",
    fit: options.Fit = "crop",
    overwrite: options.Overwrite = False,
    fail_fast: options.FailFast = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
    no_metadata: options.NoMetadata = False,
    generator: options.Generator = None,
    subspaces: options.Subspaces = None,
    codes: options.Codes = None,
    layer: options.Layer = None,
    affinity: options.AffinityKind = None,
    preset: options.PresetName = "default",
    steps: options.Steps = None,
    lr: options.LearningRate = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: options.BatchSize = "auto",
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Invert photos: find codes from which the generator makes them again (PmSFC).

    Writes NAME.invert.png and the bundle NAME.invert.pt, which holds everything to render the result again.
    What is up to date is skipped: to go on after a stop, give the same command again.

    Example: ganinvert invert face.jpg -R 6 -K 5
    """
    chosen = options.adjusted(
        INVERT[preset], steps=steps, lr=lr, subspaces=subspaces, codes=codes, layer=layer, affinity=affinity
    )
    together = options.batch_size_of(batch_size)
    suffixes = chosen_suffixes(save)
    inputs = expand(images or [], from_file=from_file, recursive=recursive)
    items = plan([[each] for each in inputs], target, task=TASK, suffixes=suffixes, name=name)
    from ganinvert.tasks import Inverter

    layer_needed = None if chosen.method.subspaces == 1 else chosen.method.layer  # R = 1 needs no discovery
    found = ready_generator(generator, offline=offline or dry_run, layer=layer_needed)
    inverter = Inverter.load(found, chosen, fit=fit, device=device, dtype=dtype, seed=seed)
    treat(
        items,
        photo_work(inverter, batch_size=together, metadata=not no_metadata),
        Conduct(overwrite=overwrite, fail_fast=fail_fast, dry_run=dry_run, as_json=as_json),
        command=TASK,
    )
