"""mGANprior's and PmSFC's own published programs against ours, on this machine, in one run.

python tests/benchmarks/against_references.py --mganprior CLONE --pmsfc CLONE [--sizes 64,256,1024] [--seconds 120]

The clones are of github.com/genforce/mganprior and github.com/guanyuelee/PmSFC. Both programs run by their own
command lines, and our optimisation with its default preset, as `ganinvert invert` resolves it: each in a process of
its own, one after another, on the same random weights of the official shapes, photo, layer (3) and number of codes
(30; PmSFC: 6 subspaces of one code each), until the seconds are over. Changed in the programs are, from outside: the
weights file and the size of one of their models; `.cuda()`, which does nothing where there is no CUDA; and VGG16,
which has our embedded weights, so that none are fetched. The table has the mean seconds per step without the first
two, how many times faster that is, the peak memory (resident, of the process; on CUDA, of tensors), and the PSNR of
the last image. The seconds of a row hold our search for a start. Random generators make no faces: compare the PSNR of
rows only.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import runpy
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from ganinvert import paths
from ganinvert.devices import autocast, peak_memory, resolve_precision
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.images import encode_png, fit, read, to_pil
from ganinvert.methods import method_of
from ganinvert.metrics import to_unit
from ganinvert.optimize import Solution, solve
from ganinvert.settings import PmSFC, Request, preset_of
from ganinvert.subspaces import SubspacePartition
from ganinvert.tasks.resolution import ResolvedRequest
from ganinvert.weights import TensorFile

FACE = Path(__file__).parents[2] / "docs" / "examples" / "face.jpg"
LAYER, CODES, SUBSPACES = 3, 30, 6
SKIPPED = 2
"""Number of first steps that do not count: they warm up, and PmSFC's program writes pictures."""
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Over(Exception):  # noqa: N818  (no error)
    """The seconds are over."""


class Watch:
    """Notes the time of every step, and the PSNR of its image: the first that was rendered after the step before."""

    def __init__(self, y: Tensor, seconds: float) -> None:
        self.y, self.seconds, self.times, self.psnr = y, seconds, [time.perf_counter()], float("nan")
        self._image: Tensor | None = None

    def see(self, output: object) -> None:
        """Look at the output of a generator, which may be features."""
        if self._image is None and isinstance(output, Tensor) and output.shape == self.y.shape:
            self._image = output.detach()

    def step(self) -> None:
        """Count a step of a program whose generator is looked at."""
        if self._image is not None:
            self.note(self._image)
            self._image = None
            self.count()

    def note(self, image: Tensor) -> None:
        """Note the PSNR of an image."""
        self.psnr = float(-10 * (to_unit(image) - to_unit(self.y)).square().mean().log10())

    def count(self) -> None:
        """Count a step; raise `Over` if the seconds are over."""
        self.times.append(time.perf_counter())
        if self.times[-1] - self.times[0] > self.seconds and len(self.times) > SKIPPED + 1:
            raise Over

    @property
    def seconds_per_step(self) -> float:
        """Mean over all steps but the first."""
        return (self.times[-1] - self.times[SKIPPED]) / (len(self.times) - 1 - SKIPPED)

    def result(self) -> dict[str, float]:
        """The figures of a row."""
        figures = {"steps": len(self.times) - 1, "s/step": self.seconds_per_step}
        return figures | {"peak GB": (peak_memory(DEVICE) or 0) / 1e9, "PSNR": self.psnr}


def write_weights(size: int, path: Path) -> None:
    """Write a random PGGAN of the official shapes as mGANprior's files are, which all programs here read."""
    rng = torch.Generator().manual_seed(0)
    channels = PGGANArchitecture.official(size).channels
    state = {"lod": torch.zeros(())}
    for n, (before, after) in enumerate(zip((512, *channels), channels, strict=False)):
        kernel = 3 if n else 4
        state[f"layer{n}.conv.weight"] = torch.randn(after, before, kernel, kernel, generator=rng)
        state[f"layer{n}.wscale.bias"] = 0.1 * torch.randn(after, generator=rng)  # PmSFC's program starts at z = 0
        if n % 2:
            state[f"output{n // 2}.conv.weight"] = torch.randn(3, after, 1, 1, generator=rng)
            state[f"output{n // 2}.wscale.bias"] = torch.zeros(3)
    torch.save(state, path)


def prepare_reference(clone: Path, size: int, weights: Path, watch: Watch) -> str:
    """Import a program, give it the weights, and look at its generator; return the name of its model."""
    os.chdir(clone)
    sys.path[0] = str(clone)  # not before the folder of this file, whose modules have names that theirs have, too
    if DEVICE.type == "cpu":
        Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]
        torch.nn.Module.cuda = lambda self, *_, **__: self  # type: ignore[method-assign, assignment, misc]
    if find_spec("cv2") is None:  # they import it for their videos
        sys.modules["cv2"] = types.ModuleType("cv2")
    from torchvision.models import vgg

    plain = vgg.vgg16

    def embedded_vgg(*_: object, **__: object) -> Any:
        network = plain(weights=None)
        tensors = TensorFile.load(paths.embedded("vgg16.safetensors")).tensors
        network.load_state_dict({key: value.float() for key, value in tensors.items()}, strict=False)
        return network

    vgg.vgg16 = embedded_vgg
    from derivable_models import derivable_generator, gan_utils  # type: ignore[import-not-found]
    from models import model_settings  # type: ignore[import-not-found]

    name = "pggan_bedroom"
    model_settings.MODEL_POOL[name].update(resolution=size, weight_path=str(weights))
    # Of the modules (two layers and an output per side, then one that scales images) all outputs but the last go.
    blocks = (size // 2).bit_length() - 1
    gan_utils.PGGAN_Inter_Output_Layer_256 = [-1, *(3 * n + 2 for n in reversed(range(blocks - 1)))]
    make: Callable[..., torch.nn.Module] = derivable_generator.get_derivable_generator

    def watched(*arguments: object) -> torch.nn.Module:
        generator = make(*arguments)
        generator.register_forward_hook(lambda *call: watch.see(call[-1]))
        return generator

    derivable_generator.get_derivable_generator = watched
    register_optimizer_step_post_hook(lambda *_: watch.step())
    return name


def run_reference(program: str, clone: Path, size: int, folder: Path, watch: Watch) -> None:
    """Run a program as its command line does, until the time is over."""
    name = prepare_reference(clone, size, folder / f"{size}.pth", watch)
    common = ["--gan_model", name, "--iterations", "1000000", "-o", str(folder / "out")]
    if program == "mganprior":
        script = "multi_code_inversion.py"
        more = ["-i", str(folder / str(size)), "--composing_layer", str(LAYER), "--z_number", str(CODES), "--video", ""]
    else:
        script = "self_express_inversion.py"
        matrix = torch.rand(512, 512, generator=torch.Generator().manual_seed(0)).numpy()
        (folder / "matrix.pkl").write_bytes(pickle.dumps(matrix))
        photo, rare = str(folder / str(size) / "photo.png"), ["--report_image", "1000000", "--report_model", "1000000"]
        more = ["-i", photo, "--layer", str(LAYER), "--matrix_dir", str(folder / "matrix.pkl"), *rare]
        more += ["--cluster_numbers", str(SUBSPACES), "--code_per_cluster", "1"]
    sys.argv = [script, *common, *more]
    runpy.run_path(str(clone / script), run_name="__main__")


def run_ours(program: str, dtype: torch.dtype, size: int, folder: Path, watch: Watch) -> None:
    """Optimise by the default preset of the method, with as many steps as the time allows."""
    preset = preset_of(program, "invert")
    assert isinstance(preset.method, PmSFC)
    method = replace(preset.method, layer=LAYER)
    method = replace(method, codes=CODES) if program == "mganprior" else replace(method, subspaces=SUBSPACES, codes=1)
    partition = SubspacePartition(torch.arange(512) % method.subspaces, "given")
    request = Request(settings=preset.of(method), generator=folder / f"{size}.pth", device=str(DEVICE))
    resolved = ResolvedRequest.open(request, partition)
    generator, settings = resolved.generator, resolved.settings

    def descend(steps: int, callback: Callable[[], None]) -> Solution:
        return solve(
            generator,
            watch.y,
            method=method_of(settings.method, partition),
            objective=settings.objective,
            optimization=replace(settings.optimization, steps=steps),
            dtype=dtype,
            callback=lambda _: callback(),
        )

    trial = Watch(watch.y, watch.seconds / 4)
    with suppress(Over):
        descend(1_000_000, trial.count)
    first = trial.times[SKIPPED] - trial.times[0]
    steps = SKIPPED + max(int((watch.seconds - first) / trial.seconds_per_step), 2)
    watch.times, watch.seconds = [time.perf_counter()], float("inf")
    code = descend(steps, watch.count).code
    with torch.no_grad(), autocast(DEVICE, dtype):
        watch.note(code.render(generator).float())


def work(row: str, clone: str, size: int, seconds: float, folder: Path) -> dict[str, float]:
    """Fill one row of the table, in this process."""
    y = torch.from_numpy(fit(read(folder / str(size) / "photo.png"), size).pixels)[None].to(DEVICE)
    watch, (program, *ours) = Watch(y, seconds), row.split(", ours in ")
    try:
        if ours:
            run_ours(program, getattr(torch, ours[0]), size, folder, watch)
        else:
            run_reference(program, Path(clone), size, folder, watch)
    except Over:
        pass
    return watch.result()


def data_types() -> list[str]:
    """float32, and bfloat16 where we would compute in it: on other processors a step of it takes minutes."""
    fast = resolve_precision("auto", DEVICE) == torch.bfloat16
    return ["float32", "bfloat16"] if fast else ["float32"]


def main() -> None:
    """Run everything, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mganprior", type=Path, help="clone of genforce/mganprior")
    parser.add_argument("--pmsfc", type=Path, help="clone of guanyuelee/PmSFC")
    parser.add_argument("--sizes", default="64,256,1024")
    parser.add_argument("--seconds", type=float, default=120.0, help="seconds of each row")
    parser.add_argument("--photo", type=Path, default=FACE)
    parser.add_argument("--row", nargs=4, help=argparse.SUPPRESS)  # in a process of its own
    given = parser.parse_args()
    if given.row:
        row, clone, size, folder = given.row
        result = work(row, clone, int(size), given.seconds, Path(folder))
        (Path(folder) / "row.json").write_text(json.dumps(result))
        return
    print(f"{platform.processor() or platform.machine()}, {DEVICE}, {torch.get_num_threads()} threads, ", end="")
    print(f"torch {torch.__version__}; {given.seconds:g} s per row\n")
    print("| pixels | program | steps | s/step | times faster | peak GB | PSNR |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in (int(text) for text in given.sizes.split(",")):
            write_weights(size, folder / f"{size}.pth")
            (folder / str(size)).mkdir()
            (folder / str(size) / "photo.png").write_bytes(
                encode_png(to_pil(fit(read(given.photo), size).pixels / 2 + 0.5))
            )
            for program, clone in (("mganprior", given.mganprior), ("pmsfc", given.pmsfc)):
                rows = [program, *(f"{program}, ours in {dtype}" for dtype in data_types())]
                reference = 0.0
                for row in rows if clone else ():
                    own = ["--seconds", str(given.seconds), "--row", row, str(clone.resolve()), str(size), name]
                    subprocess.run([sys.executable, __file__, *own], check=True, stdout=sys.stderr)
                    result = json.loads((folder / "row.json").read_text())
                    steps, seconds, memory, psnr = result.values()
                    reference = reference or seconds
                    figures = f"{steps} | {seconds:.3g} | {reference / seconds:.1f} | {memory:.2f} | {psnr:.2f}"
                    print(f"| {size} | {row} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
