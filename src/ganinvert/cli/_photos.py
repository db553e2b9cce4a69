"""The work of every command that makes one picture and its bundle of one photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ganinvert.cli._batch import Done, Work
from ganinvert.cli._console import Show, output
from ganinvert.cli._results import Item

if TYPE_CHECKING:
    from ganinvert.optimize import Step
    from ganinvert.tasks import Inversion, Inverter, Target


def photo_work(
    inverter: Inverter,
    *,
    prepare: Callable[[Item], Target] | None = None,
    batch_size: int | None = None,
    metadata: bool = True,
    done: str = "inverted",
) -> Work[Target]:
    """What to do with photos.

    Args:
        inverter: Loaded for the task.
        prepare: Reads an item, when more is needed than its photo; `Inverter.prepare` by default.
        batch_size: Photos optimised together on an accelerator; None for as many as fit. The CPU takes one after
            another, so that every result is written as soon as it is there.
        metadata: Keep what made it in the PNG files.
        done: The word for it in the summary.
    """
    output.say(
        f"subspaces of {', '.join(map(str, inverter.masks.sizes))} channels ({inverter.masks.source});"
        f" {inverter.device}, {inverter.dtype}",
        level=1,
    )

    def read(item: Item) -> Target:
        return inverter.prepare(item.inputs[0].path)

    def run(batch: Sequence[tuple[Item, Target]], show: Show) -> list[Done]:
        results = inverter.run([target for _, target in batch], callback=_watch(show))
        return [_done(result, inverter, metadata=metadata) for result in results]

    return Work(
        prepare=prepare or read,
        identity=lambda target: (inverter.settings_hash, target.sha256),
        run=run,
        batch_size=1 if inverter.device.type == "cpu" else batch_size or 8,
        done=done,
    )


def _watch(show: Show) -> Callable[[Step], None]:
    def watch(step: Step) -> None:
        show(
            step.index + 1,
            step.steps,
            lambda: f"loss {float(step.loss.mean()):.4f}  PSNR {float(step.psnr.mean()):.1f} dB",
        )

    return watch


def _done(result: Inversion, inverter: Inverter, *, metadata: bool) -> Done:
    """What to write and say of a result; nothing is written of one that is not finite."""
    from ganinvert import __version__
    from ganinvert.images import comparison, encode_png

    bundle, figures = result.bundle, result.metrics
    made_by = {
        "version": __version__,
        "method": bundle.method,
        "generator": bundle.generator,
        "digest": bundle.digest,
        "seed": bundle.provenance["seed"],
        "settings_hash": bundle.provenance["settings_hash"],
    }
    text = made_by if metadata else None
    return Done(
        files={
            "image": lambda: encode_png(result.image, text),
            "comparison": lambda: encode_png(comparison(result.target, result.image), text),
            "bundle": bundle.encode,
        }
        if result.outcome.name != "NOT_FINITE"
        else {},
        metrics=figures,
        outcome=result.outcome.name.lower().replace("_", " "),
        notes=result.notes,
        verdict=f"PSNR {figures['psnr']:.2f} dB  SSIM {figures['ssim']:.3f}  LPIPS {figures['lpips']:.3f}"
        f"  ({inverter.generator.name}, {inverter.generator.resolution} px)",
        warning=result.outcome.value,
    )
