"""What colorizing, upscaling and inpainting reach where the truth is known: the study behind docs/explanation/tasks.md.

Usage: python tests/benchmarks/restoration.py PHOTOS --limit 20 -o restoration.json --sheets FOLDER

Every photo of the folder (the first in sorted order) is fitted to the embedded generator's square, degraded, rounded to
8 bits and restored, one after another, with seed 0: by the default preset with R = 6 and K = 5, and with R = 1 and
K = 30. Times are those of the optimisations in this one process, as multiples of what inverting the same photos takes
(seconds when `invert` is not among the tasks). A sheet per task shows photo, baseline and both results; the baseline
is what the input shows: gray, bicubic enlargement, the known pixels' mean colour blended into the hole.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganinvert import images
from ganinvert.degradations import Degradation, Downsample, Grayscale, Identity, Mask
from ganinvert.metrics import color_auc, lpips, psnr
from ganinvert.settings import (
    ColorizeTask,
    InpaintTask,
    InversionSettings,
    InvertTask,
    TaskOptions,
    UpscaleTask,
    preset_of,
)
from ganinvert.tasks import Inverter

SIDE = 64


@dataclass(frozen=True)
class Study:
    """A task on degraded photos; `score` takes results and truths (b, 3, h, w) in [0, 1] and returns (b,)."""

    task: TaskOptions
    settings: InversionSettings
    degradation: Degradation
    metric: str
    score: Callable[[Tensor, Tensor], Tensor]

    def picture(self, truth: Tensor) -> images.Picture:
        """The degraded file of a truth (1, 3, r, r) in [-1, 1]."""
        levels = ((self.degradation(truth) + 1) * 127.5).round().clamp(0, 255).byte()[0]
        rgb = Image.fromarray(levels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())
        if not isinstance(self.degradation, Mask):
            return images.Picture(rgb)
        missing = np.where(self.degradation.known[0, 0].numpy(), 0, 255).astype(np.uint8)
        return images.with_hole(images.Picture(rgb), Image.fromarray(missing))


def in_hole(mask: Mask) -> Callable[[Tensor, Tensor], Tensor]:
    """PSNR of the missing pixels alone."""
    hole = (~mask.known).float()
    return lambda x, y: -10 * (((x - y).square() * hole).flatten(1).sum(dim=1) / (3 * hole.sum())).log10()


def studies() -> dict[str, Study]:
    """The tasks of the table."""
    box = torch.ones(1, 1, SIDE, SIDE, dtype=torch.bool)
    box[..., SIDE // 4 : 3 * SIDE // 4, SIDE // 4 : 3 * SIDE // 4] = False
    dust = torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) < 0.2
    holes = {name: Mask(known) for name, known in (("centre hole", box), ("80 % of the pixels missing", dust))}
    found = {
        "invert": Study(InvertTask(), preset_of("pmsfc", "invert"), Identity(), "PSNR", psnr),
        "colorize": Study(
            ColorizeTask(), preset_of("pmsfc", "colorize"), Grayscale(), "colour AuC, 0 … 149", color_auc
        ),
    }
    for factor in (4, 8):
        operator = Downsample(SIDE, SIDE // factor)
        found[f"upscale ×{factor}"] = Study(UpscaleTask(), preset_of("pmsfc", "upscale"), operator, "PSNR", psnr)
    for name, mask in holes.items():
        found[name] = Study(InpaintTask(), preset_of("pmsfc", "inpaint"), mask, "PSNR in the hole", in_hole(mask))
    return found


def restore(study: Study, settings: InversionSettings, truths: list[Tensor]) -> tuple[Tensor, float, float]:
    """Results (b, 3, r, r) in [0, 1], the largest deviation from what was given, and seconds per photo."""
    inverter = Inverter.load(settings=settings, task=study.task, align="off", square=True, device="cpu")
    targets = [inverter.prepare(study.picture(truth)) for truth in truths]
    start = time.perf_counter()
    results = inverter.run(targets)
    seconds = (time.perf_counter() - start) / len(truths)
    found = torch.stack([torch.from_numpy(images.to_array(result.image)) for result in results]) / 255
    deviation = max(result.metrics.get("deviation", 0.0) for result in results)
    return found, deviation, seconds


def table(studied: dict[str, Study], truths: list[Tensor], sheets: Path | None) -> list[dict[str, object]]:
    """A row for every variant of every study, printed as it comes."""
    y, rows, unit = (torch.cat(truths) + 1) / 2, [], 1.0
    for name, study in studied.items():
        guess = (study.degradation.guess(study.degradation(torch.cat(truths))) + 1) / 2
        columns = {"photo": y, "baseline": guess}
        rows.append(row(name, "baseline", study, guess, y))
        for variant, (subspaces, codes) in {"R = 6": (6, 5), "R = 1": (1, 30)}.items():
            method = replace(study.settings.method, subspaces=subspaces, codes=codes)
            found, deviation, seconds = restore(study, replace(study.settings, method=method), truths)
            if name == "invert" and variant == "R = 6":
                unit = seconds
            columns[variant] = found
            rows.append(row(name, variant, study, found, y, times=seconds / unit, deviation=deviation))
        if sheets:
            sheets.mkdir(parents=True, exist_ok=True)
            shown = [[images.to_pil(column[n].numpy()) for column in columns.values()] for n in range(len(y[:8]))]
            images.grid(shown, column_labels=list(columns)).save(sheets / f"{name.replace(' ', '-')}.png")
    return rows


def row(
    name: str, variant: str, study: Study, found: Tensor, y: Tensor, *, times: float = 0.0, deviation: float = 0.0
) -> dict[str, object]:
    """What results (b, 3, r, r) in [0, 1] are worth."""
    score, distance = study.score(found, y), lpips(found, y)
    print(
        f"{name:28s}{variant:10s}{study.metric:22s}{score.mean():8.3f} ± {score.std():6.3f}"
        f"   LPIPS {distance.mean():.4f}   {times:5.2f} × invert   deviation {deviation:.2f}/255",
        flush=True,
    )
    return {
        "task": name,
        "variant": variant,
        "metric": study.metric,
        "mean": float(score.mean()),
        "sd": float(score.std()),
        "lpips": float(distance.mean()),
        "times invert": times,
        "deviation": deviation,
        "photos": score.tolist(),
    }


def main() -> None:
    """Run the studies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--task", action="append", choices=list(studies()))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("-o", "--output", type=Path, default=Path("restoration.json"))
    parser.add_argument("--sheets", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    paths = sorted(path for path in arguments.photos.iterdir() if path.suffix in (".jpg", ".png"))[: arguments.limit]
    truths = [torch.from_numpy(images.fit(images.read(path), SIDE).pixels)[None] for path in paths]
    chosen = {name: study for name, study in studies().items() if not arguments.task or name in arguments.task}
    arguments.output.write_text(json.dumps(table(chosen, truths, arguments.sheets), indent=1))


if __name__ == "__main__":
    main()
