"""The session of edits by strokes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ganinvert import images, tasks
from ganinvert.batch.editing import EditSession, Sources, read_sources
from ganinvert.batch.job import Job, Product
from ganinvert.batch.outputs import png_text
from ganinvert.batch.requests import StrokesRequest
from ganinvert.batch.session import Watch
from ganinvert.bundle import LatentBundle
from ganinvert.tasks.strokes import MILLISECONDS, describe


class StrokesSession(EditSession[StrokesRequest]):
    """Moves codes until their images obey strokes.

    Raises:
        ImageError: The strokes, the sketch or the photo that takes the change cannot be used.
    """

    def __init__(self, request: StrokesRequest) -> None:
        super().__init__(request)
        side = self.inverter.generator.resolution
        for path, name in ((request.strokes, "the strokes"), (request.sketch, "the sketch")):
            if path is not None:
                images.read_strokes(path, side, name=name)
        self.photo = None if request.transfer is None else self.inverter.prepare(request.transfer)

    def prepare(self, job: Job) -> Sources:
        """Read the inputs; the content of the strokes belongs to the settings."""
        request = self.request
        digests = {name: _digest(path) for name, path in request.files.items()}
        return read_sources(job, {**request.settings, **digests}, inverter=self.inverter)

    def run(self, batch: Sequence[tuple[Job, Sources]], watch: Watch) -> list[Product]:
        """Invert the photos, and optimise on the session's device."""
        products = []
        for job, sources in batch:
            (bundle,) = self._bundles(sources, watch)
            products.append(self._edit(job, sources, bundle, watch))
            self.inverter.generator.to(self.inverter.device)
        return products

    def edit(self, job: Job, sources: Sources, bundles: Sequence[LatentBundle]) -> Product:
        """Edit a bundle without showing the steps."""
        return self._edit(job, sources, bundles[0], lambda _: None)

    def _edit(self, job: Job, sources: Sources, bundle: LatentBundle, watch: Watch) -> Product:
        request, generator = self.request, self.inverter.generator
        edit = tasks.edit_strokes(
            bundle, generator, request.strokes, sketch=request.sketch, settings=request.chosen, callback=watch
        )
        generator.cpu()
        stamped = sources.stamp(edit.bundle)
        text = png_text(stamped) if request.metadata else None
        frames = tasks.film(bundle, edit.bundle, generator) if {"film", "whole"} & set(job.kinds) else []
        files = {"image": images.encode_png(edit.image, text)}
        if "film" in job.kinds:
            files["film"] = images.encode_animation(
                [frame.image for frame in frames], "webp", milliseconds=MILLISECONDS
            )
        if self.photo is not None and request.transfer is not None:
            whole = tasks.carry_over(frames, images.read(request.transfer), self.photo.fit.placement)
            files["whole"] = images.encode_png(whole, text)
        metrics = stamped.metrics
        return Product({**files, "bundle": stamped.encode()}, metrics=metrics, verdict=describe(metrics))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
