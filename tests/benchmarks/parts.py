"""Cost and quality of steps that look at parts of the image: the study behind docs/explanation/optimisation.md.

Usage: python tests/benchmarks/parts.py pggan-256 pggan-1024
       python tests/benchmarks/parts.py upper-half --photo PHOTO --steps 80 --check 20 --check 80 --variant quadrants

Subjects are PGGANs of the official shapes with random weights, which 30 codes at layer 3 drive (R = 6, K = 5), the
real upper half of PGGAN CelebA-HQ, driven by features at layer 9, or the file of any generator with W+, driven by
features at its editing layer and styles (F/W+). It prints seconds of the processor per step and the peak memory of
each variant, and PSNR and LPIPS of the whole image after some steps, whose rendering does not count. Each variant has
a process of its own, one after another.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganinvert.degradations import Degradation
from ganinvert.generators import Activations, Generator, PGGANGenerator, load_generator
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.images import fit, read
from ganinvert.methods import ActivationCode, Code, Composition, Latent
from ganinvert.metrics import image_metrics
from ganinvert.optimize import Step, solve
from ganinvert.settings import Objective, Optimization, PmSFC, SingleCode
from ganinvert.subspaces import SubspacePartition

UPPER = Path(__file__).parents[3] / "shared" / "assets" / "pggan-celebahq-upper" / "upper_half.pth"
VARIANTS = {"whole": (1, 0), "quadrants": (2, 0), "sixteenths": (4, 0)}
VARIANTS |= {
    f"{name}, loss at {side} px": (parts, side) for side in (512, 256) for name, (parts, _) in VARIANTS.items()
}
LAYER = 9


@dataclass(frozen=True)
class Features:
    """Method whose variables are the features at a layer."""

    layer: int

    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> Code:
        info, rng = generator.layer_info(self.layer), torch.Generator().manual_seed(seed)
        features = torch.randn(1, info.channels, info.size, info.size, generator=rng)
        return ActivationCode(Activations(features), self.layer, movable=True)


def subject(name: str) -> tuple[Generator, object, float]:
    """Generator, method and learning rate."""
    if name.startswith("pggan-"):
        generator = PGGANGenerator.random(PGGANArchitecture.official(int(name.split("-")[1])))
        masks = SubspacePartition(torch.arange(512) % 6, "given")
        return generator, Composition(PmSFC(init="random", sigma=1.0), masks), 1.0
    if name != "upper-half":
        generator = load_generator(name)
        return generator, Latent(SingleCode("mean", sphere=False, space="f")), 0.05
    generator = PGGANGenerator.random(PGGANArchitecture.official(1024))
    upper = torch.load(UPPER, weights_only=True)
    state = {"to_rgb.weight": upper.pop("ToRGB_lod0/weight"), "to_rgb.bias": upper.pop("ToRGB_lod0/bias")}
    for key, tensor in upper.items():
        side, convolution, part = key.split("/")
        layer = 2 * (int(side.split("x")[0]).bit_length() - 3) + int(convolution[-1])
        state[f"layers.{layer}.{part}"] = tensor
    generator.load_state_dict(state, strict=False)
    return generator, Features(LAYER), 0.1


def measure(
    name: str, variant: str, photo: Path | None, *, steps: int, checks: list[int], perceptual: str
) -> dict[str, object]:
    """Optimise for a photo, or for noise; return seconds per step, peak memory, and quality after some steps."""
    generator, method, lr = subject(name)
    parts, side = VARIANTS[variant]
    r = generator.resolution
    y = torch.randn(1, 3, r, r) if photo is None else torch.from_numpy(fit(read(photo), r).pixels)[None]
    weights = {"vgg": {}, "lpips": {"perceptual": 0.0, "lpips": 0.2}, "none": {"perceptual": 0.0}}[perceptual]
    times, curve, codes = [], [], []
    start = method.start

    def kept(*args: object, **options: object) -> Code:
        codes.append(start(*args, **options))
        return codes[0]

    object.__setattr__(method, "start", kept)
    clock = time.process_time()

    def watch(step: Step) -> None:
        nonlocal clock
        times.append(time.process_time() - clock)
        if step.index + 1 in checks:
            with torch.no_grad():
                x = codes[0].render(generator).clamp(-1, 1)
            small = [torch.nn.functional.avg_pool2d(each, max(1, r // 256)) for each in (x, y)]
            large, small = image_metrics(x, y)[0], image_metrics(*small)[0]
            curve.append([step.index + 1, sum(times), large["psnr"], large["lpips"], small["psnr"], small["lpips"]])
        clock = time.process_time()

    solve(
        generator,
        y,
        method=method,
        objective=Objective(**weights, side=side),
        optimization=Optimization(steps, lr, parts=parts),
        callback=watch,
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    later = sorted(times[1:]) or times  # the first step warms up
    return {"seconds": sum(later) / len(later), "median": later[len(later) // 2], "peak_mib": peak, "curve": curve}


def main() -> None:
    """Run each variant in a process of its own, and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="+")
    parser.add_argument("--photo", type=Path, help="photo to invert; without, noise, for costs alone")
    parser.add_argument("--variant", action="append", choices=VARIANTS)
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--check", type=int, action="append", default=[], help="step after which to measure quality")
    parser.add_argument("--perceptual", choices=("vgg", "lpips", "none"), default="vgg")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.alone:
        [name], [variant] = options.subjects, options.variant
        print(
            json.dumps(
                measure(
                    name,
                    variant,
                    options.photo,
                    steps=options.steps,
                    checks=options.check,
                    perceptual=options.perceptual,
                )
            )
        )
        return
    for name in options.subjects:
        for variant in options.variant or VARIANTS:
            changed = [*sys.argv[1:]]
            for word in (*options.subjects, *(options.variant or [])):
                changed.remove(word)
            changed = [word for word in changed if word != "--variant"]
            line = subprocess.run(
                [sys.executable, __file__, name, "--alone", "--variant", variant, *changed],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.splitlines()[-1]
            row = json.loads(line)
            print(
                f"{name:12s} {variant:28s} {row['seconds']:7.2f} s  median {row['median']:.2f} s"
                f"  {row['peak_mib']:6.0f} MiB",
                flush=True,
            )
            for step, seconds, *metrics in row["curve"]:
                large, small = metrics[:2], metrics[2:]
                print(
                    f"    {step:4d} steps {seconds:7.1f} s  {large[0]:.2f} dB {large[1]:.4f}"
                    f"  at 256 px {small[0]:.2f} dB {small[1]:.4f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
