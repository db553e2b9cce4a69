"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ganinvert.batch.outputs import SUFFIXES
from ganinvert.batch.report import KIND as REPORT
from ganinvert.cli._config import configure
from ganinvert.cli._console import output
from ganinvert.errors import UsageError
from ganinvert.settings import METHODS, PmSFC, common
from ganinvert.settings.presets import DEFAULT_METHODS
from ganinvert.weights.catalog import CATALOG, CONVOLUTIONS

IO = "Input/Output"
METHOD = "Method"
OPTIMISATION = "Optimisation"
COMPUTE = "Compute"
GENERAL = "General"
HELP: Mapping[str, str] = {
    "--from-file": "File that lists more inputs, one path per line.",
    "--recursive": "Search folders inside folders, too.",
    "--output": "Folder for the results (created if missing), a .png file for a single input, or - for stdout.",
    "--name": "Template of file names, without suffix: {stem}, {suffix}, {parent}, {index}, {task}.",
    "--save": "Files to write: image, bundle, comparison (input | result | difference ×4), report (HTML page).",
    "--fit": "Make photos square by cropping, padding or squashing.",
    "--align": "Align faces for a face generator: if misplaced (auto), never (off), or always (force).",
    "--face": "Faces to align: all, the largest, or one by its number, counted from the largest.",
    "--square": "Write the generator's square alone, or the whole photo with the squares in their places.",
    "--overwrite": "Replace existing results.",
    "--fail-fast": "Stop at the first input that fails.",
    "--dry-run": "Print which files would be written, and write none.",
    "--json": "Print JSON lines on stdout: one per result, then a summary.",
    "--no-metadata": "Write PNG files without a description of how they were made.",
    "--resume": "Continue from the last checkpoint.",
    "--store": "Precision of the weights files.",
    "--licence": "Licence of the weights, written into the file's header.",
    "--credit": "Credit for the images, written into the file's header.",
    "--generator": "Name of a generator in `fetch-weights --list`, downloaded at its first use, or a weights file.",
    "--method": f"Inversion method: {', '.join(METHODS)}.",
    "--space": "Latent space of the codes: Z, W, W+, or F/W+ (features at --layer are free, too).",
    "--init": "Initial codes: the nearest of some random ones, random ones, those of an encoder, or the mean.",
    "--subspaces": "Number of subspaces (groups of feature channels); 1 composes all channels together.",
    "--codes": "Number of latent codes per subspace.",
    "--layer": "Number of convolutions after which features are composed, or free in F/W+.",
    "--affinity": "Affinity of channels: as in the authors' program (more repeatable), or in the paper.",
    "--preset": "Preset: fast defaults, or the settings of the paper or of its authors' program.",
    "--steps": "Number of optimisation steps; fine-tuning has its own.",
    "--lr": "Learning rate of the codes.",
    "--seed": "Random seed; the same seed gives the same result.",
    "--checkpoint-every": "Save the unfinished optimisation beside the results every N steps; a later run goes on.",
    "--device": "Device to compute on; auto takes CUDA if there is one.",
    "--dtype": "Precision of convolutions; auto takes bfloat16 where it is faster.",
    "--batch-size": "Photos optimised together; auto fills the memory of the device. The CPU takes one at a time.",
    "--workers": "Number of processes on this machine (auto: one per GPU, or per CPU core); or ray, for a Ray cluster.",
    "--worker-resources": "On Ray: resources of each worker, as cpu=2,gpu=0.5,memory=8G.",
    "--offline": "Never use the internet; GANINVERT_OFFLINE=1 does the same.",
    "--config": "Configuration file to use instead of the user's; see `ganinvert config`.",
    "--quiet": "Print only errors and result paths.",
    "--verbose": "Print more messages; -vv adds tracebacks.",
}
"""Help texts of options that mean the same in several commands."""


def opt(panel: str, *flags: str, help: str = "", env: bool = False, **rest: Any) -> Any:  # noqa: A002  (typer's word)
    """Describe an option of a command for `typer.Option`; its help is by default that of `HELP`.

    With `env`, the variable GANINVERT_NAME (the long name in capitals) and the configuration file set it, too.
    """
    name = max(flags, key=len).partition("/")[0]
    if env:
        rest |= {"envvar": f"GANINVERT_{name.lstrip('-').replace('-', '_').upper()}", "show_envvar": False}
    return typer.Option(*flags, help=help or HELP[name], rich_help_panel=panel, **rest)


def completing(*words: str) -> Callable[[str], list[str]]:
    """Shell completion of one of these words."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def _complete_kinds(incomplete: str) -> list[str]:
    *before, last = incomplete.split(",")
    return [",".join([*before, kind]) for kind in (*SUFFIXES, REPORT) if kind.startswith(last) and kind not in before]


def _check_device(name: str) -> str:
    """Refuse a misspelt device before torch is imported, which alone knows which devices there are."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise UsageError(f"{name}: no such device", hint="choose auto, cpu, cuda, cuda:N or mps")
    return name


def _check_seed(seed: int) -> int:
    common.require_seed(seed)
    return seed


def _quiet(quiet: bool) -> None:
    if quiet:
        output.verbosity = -1


def _verbose(count: int) -> None:
    if count:
        output.verbosity = count


_CACHED = f"best face generator in the cache, else {common.DEFAULT_GENERATOR}"
_GENERATORS = [name for name, entry in CATALOG.items() if entry.network not in CONVOLUTIONS]
_DEVICES = completing("auto", "cpu", "cuda", "mps")

Images = Annotated[
    list[Path] | None,
    typer.Argument(metavar="IMAGE", help="Photos, folders of photos, or - for stdin.", show_default=False),
]
FromFile = Annotated[Path | None, opt(IO, "--from-file", metavar="LIST")]
Recursive = Annotated[bool, opt(IO, "--recursive", "-r")]
Target = Annotated[Path, opt(IO, "--output", "-o", metavar="DIR|FILE|-", show_default="the current folder", env=True)]
Name = Annotated[str, opt(IO, "--name", metavar="TEMPLATE", env=True)]
Save = Annotated[str, opt(IO, "--save", metavar="LIST", autocompletion=_complete_kinds, env=True)]
Fit = Annotated[common.FitMode, opt(IO, "--fit", env=True)]
AlignFaces = Annotated[common.Align, opt(IO, "--align", env=True)]
Face = Annotated[
    str | None,
    opt(
        IO,
        "--face",
        metavar="all|largest|N",
        autocompletion=completing("all", "largest"),
        show_default="all; of invert the largest",
    ),
]
Square = Annotated[bool | None, opt(IO, "--square/--whole", show_default="the whole photo; of invert the square")]
Overwrite = Annotated[bool, opt(IO, "--overwrite")]
FailFast = Annotated[bool, opt(IO, "--fail-fast")]
DryRun = Annotated[bool, opt(IO, "--dry-run")]
AsJson = Annotated[bool, opt(IO, "--json")]
NoMetadata = Annotated[bool, opt(IO, "--no-metadata")]
Resume = Annotated[bool, opt(IO, "--resume")]
Stored = Annotated[common.StoredPrecision, opt(IO, "--store")]
Licence = Annotated[str, opt(IO, "--licence", metavar="TEXT")]
Credit = Annotated[str, opt(IO, "--credit", metavar="TEXT")]

_NAMES = {"metavar": "NAME|FILE", "autocompletion": completing(common.DEFAULT_GENERATOR, *_GENERATORS)}
Generator = Annotated[str | None, opt(METHOD, "--generator", "-g", show_default=_CACHED, env=True, **_NAMES)]
_DEFAULTS = f"{DEFAULT_METHODS[False]}; for style-based generators {DEFAULT_METHODS[True]}"
Method = Annotated[
    common.MethodName,
    opt(METHOD, "--method", metavar="NAME", autocompletion=completing(*METHODS), show_default=_DEFAULTS, env=True),
]
SpaceName = Annotated[common.Space | None, opt(METHOD, "--space", show_default="by method and generator", env=True)]
InitKind = Annotated[common.Init | None, opt(METHOD, "--init", show_default="by method", env=True)]
Subspaces = Annotated[
    int | None, opt(METHOD, "--subspaces", "-R", metavar="R", show_default=str(PmSFC().subspaces), env=True)
]
Codes = Annotated[int | None, opt(METHOD, "--codes", "-K", metavar="K", show_default=str(PmSFC().codes), env=True)]
Layer = Annotated[int | None, opt(METHOD, "--layer", metavar="L", min=0, show_default=str(PmSFC().layer), env=True)]
AffinityKind = Annotated[common.Affinity | None, opt(METHOD, "--affinity", show_default=PmSFC().affinity, env=True)]
PresetName = Annotated[common.Preset, opt(METHOD, "--preset", env=True)]
DiscoveryPresetName = Annotated[
    common.DiscoveryPreset,
    opt(METHOD, "--preset", help="Preset: fast defaults, or the settings of the paper.", env=True),
]
Steps = Annotated[int | None, opt(OPTIMISATION, "--steps", metavar="N", show_default="by preset", env=True)]
LearningRate = Annotated[float | None, opt(OPTIMISATION, "--lr", metavar="RATE", show_default="by preset", env=True)]
Seed = Annotated[int, opt(OPTIMISATION, "--seed", metavar="N", callback=_check_seed, env=True)]
CheckpointEvery = Annotated[
    int, opt(OPTIMISATION, "--checkpoint-every", metavar="N", min=0, show_default="off", env=True)
]

Device = Annotated[
    str,
    opt(
        COMPUTE, "--device", metavar="auto|cpu|cuda[:N]|mps", autocompletion=_DEVICES, callback=_check_device, env=True
    ),
]
Dtype = Annotated[common.Precision, opt(COMPUTE, "--dtype", env=True)]
BatchSize = Annotated[str, opt(COMPUTE, "--batch-size", metavar="auto|N", env=True)]
Workers = Annotated[str, opt(COMPUTE, "--workers", metavar="auto|N|ray[://HOST:PORT]", env=True)]
WorkerResources = Annotated[
    str,
    opt(COMPUTE, "--worker-resources", metavar="LIST", show_default="1 CPU, or 1 GPU on machines with GPUs", env=True),
]

Offline = Annotated[bool, opt(GENERAL, "--offline")]
ConfigFile = Annotated[Path | None, opt(GENERAL, "--config", metavar="FILE", show_default=False)]
Config = Annotated[
    Path | None, opt(GENERAL, "--config", metavar="FILE", show_default=False, callback=configure, is_eager=True)
]
Quiet = Annotated[bool, opt(GENERAL, "--quiet", "-q", callback=_quiet)]
Verbose = Annotated[int, opt(GENERAL, "--verbose", "-v", count=True, callback=_verbose, show_default=False)]


def face_of(text: str | None) -> common.FaceChoice | None:
    """Parse the value of `--face`."""
    if text in (None, "all", "largest"):
        return text  # type: ignore[return-value]  # mypy does not narrow by a tuple
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--face cannot be {text}", hint="choose all, largest, or a number from 1")
    return int(text)


def number_of(option: str, text: str) -> int | None:
    """Parse the value of `--batch-size` or `--workers`, which `option` names; None stands for `auto`."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{option} cannot be {text}", hint="choose auto, or a number of at least 1")
    return int(text)
