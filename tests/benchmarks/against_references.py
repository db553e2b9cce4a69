"""mGANprior's and PmSFC's own published programs against ours, on this machine, in one run.

python tests/benchmarks/against_references.py --mganprior CLONE --pmsfc CLONE [--sizes 64,256,1024] [--seconds 120]

The clones are of github.com/genforce/mganprior and github.com/guanyuelee/PmSFC. Both programs run by their own
command lines, and our optimisation with its default preset: each in a process of its own, one after another, on the
same random weights of the official shapes, photo, layer (3) and number of codes (30; PmSFC: 6 subspaces of one code
each), until the seconds are over. Changed in the programs are, from outside: the weights file and the size of one of
their models; `.cuda()`, which does nothing where there is no CUDA; and VGG16, which has our embedded weights, so that
none are fetched. The table has the median seconds per step without the first two, the peak memory (resident, of the
process; on CUDA, of tensors), and the PSNR of the last image. Random generators make no faces: compare the PSNR of
rows only.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import resource
import runpy
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from ganinvert import paths
from ganinvert.generators import load_generator
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.images import encode_png, fit, read, to_pil
from ganinvert.methods import method_of
from ganinvert.metrics import to_unit
from ganinvert.optimize import Step, solve
from ganinvert.settings import Optimization, PmSFC, preset_of
from ganinvert.subspaces import SubspacePartition
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
            difference = to_unit(self._image) - to_unit(self.y)
            self._image = None
            self.count(float(-10 * difference.square().mean().log10()))

    def count(self, psnr: float) -> None:
        """Count a step; raise `Over` if the seconds are over."""
        self.psnr = psnr
        self.times.append(time.perf_counter())
        if self.times[-1] - self.times[0] > self.seconds and len(self.times) > SKIPPED + 1:
            raise Over

    def result(self) -> dict[str, float]:
        """The figures of a row."""
        steps = [after - before for before, after in zip(self.times, self.times[1:], strict=False)]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if DEVICE.type == "cuda":
            memory = torch.cuda.max_memory_allocated()
        seconds = median(steps[SKIPPED:] or steps)
        return {"steps": len(steps), "s/step": seconds, "peak GB": memory / 1e9, "PSNR": self.psnr}


def write_weights(size: int, path: Path) -> None:
    """Write a random PGGAN of the official shapes as mGANprior's files are, which all programs here read."""
    rng = torch.Generator().manual_seed(0)
    channels = PGGANArchitecture.official(size).channels
    state = {"lod": torch.zeros(())}
    for n, (before, after) in enumerate(zip((512, *channels), channels, strict=False)):
        kernel = 3 if n else 4
        state[f"layer{n}.conv.weight"] = torch.randn(after, before, kernel, kernel, generator=rng)
        state[f"layer{n}.wscale.bias"] = torch.zeros(after)
        if n % 2:
            state[f"output{n // 2}.conv.weight"] = torch.randn(3, after, 1, 1, generator=rng)
            state[f"output{n // 2}.wscale.bias"] = torch.zeros(3)
    torch.save(state, path)


def prepare_reference(clone: Path, size: int, weights: Path, watch: Watch) -> str:
    """Import a program, give it the weights, and look at its generator; return the name of its model."""
    os.chdir(clone)
    sys.path.insert(0, str(clone))
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
    generator = load_generator(folder / f"{size}.pth").to(DEVICE)
    preset = preset_of(program, "invert")
    assert isinstance(preset.method, PmSFC)
    shape = {"codes": CODES} if program == "mganprior" else {"subspaces": SUBSPACES, "codes": 1}
    method = replace(preset.method, layer=LAYER, **shape)
    partition = SubspacePartition(torch.arange(512) % method.subspaces, "given")

    def descend(optimization: Optimization, callback: Callable[[Step], None]) -> None:
        solve(
            generator,
            watch.y,
            method=method_of(method, partition),
            objective=preset.objective,
            optimization=optimization,
            dtype=dtype,
            callback=callback,
        )

    trial = Watch(watch.y, 0.0)
    try:
        descend(preset.optimization, lambda step: trial.count(float(step.psnr.mean())))
    except Over:
        steps = max(int(watch.seconds / trial.result()["s/step"]), SKIPPED + 2)
    watch.times = [time.perf_counter()]
    descend(replace(preset.optimization, steps=steps), lambda step: watch.count(float(step.psnr.mean())))


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
    print("| pixels | program | steps | s/step | peak GB | PSNR |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in (int(text) for text in given.sizes.split(",")):
            write_weights(size, folder / f"{size}.pth")
            (folder / str(size)).mkdir()
            (folder / str(size) / "photo.png").write_bytes(
                encode_png(to_pil(fit(read(given.photo), size).pixels / 2 + 0.5))
            )
            for program, clone in (("mganprior", given.mganprior), ("pmsfc", given.pmsfc)):
                rows = [program, f"{program}, ours in float32", f"{program}, ours in bfloat16"]
                for row in rows if clone else ():
                    own = ["--seconds", str(given.seconds), "--row", row, str(clone.resolve()), str(size), name]
                    subprocess.run([sys.executable, __file__, *own], check=True, stdout=sys.stderr)
                    result = json.loads((folder / "row.json").read_text())
                    figures = " | ".join(f"{value:.4g}" for value in result.values())
                    print(f"| {size} | {row} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
