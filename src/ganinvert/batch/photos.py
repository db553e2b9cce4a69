"""The session of a task on photos."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from ganinvert import files
from ganinvert.batch.job import Job, Product
from ganinvert.batch.outputs import png_text
from ganinvert.batch.requests import PhotoRequest
from ganinvert.batch.session import Session, Watch
from ganinvert.bundle import LatentBundle
from ganinvert.checkpoint import Checkpoints
from ganinvert.devices import images_that_fit, watch_memory
from ganinvert.errors import InsufficientMemoryError
from ganinvert.images import comparison, difference, encode_png, encode_thumbnail, grid, stacked
from ganinvert.optimize import Outcome
from ganinvert.tasks import Inversion, Inverter, PreparedImage
from ganinvert.tasks.results import averaged, mean_of, samples_sheet

FIRST_BATCH = 8
"""Photos that an accelerator optimises together until the memory of one is known."""
MOST_TOGETHER = 64
"""Most photos together: more make it no faster, and more are lost when the batch is stopped."""
_LEFT_OUT = ("settings_hash", "input_sha256", "notes", "outcome", "licence")  # by other columns, or of no interest


class PhotoSession(Session[PreparedImage]):
    """A loaded generator that does a task for photos; `inverter` is the request's session if it is open already."""

    def __init__(self, request: PhotoRequest, inverter: Inverter | None = None) -> None:
        self.request = request
        self.inverter = inverter or Inverter.open(request.request)
        partition, device = self.inverter.partition, self.inverter.device
        self.reads_ahead = device.type != "cpu"
        sizes = ", ".join(map(str, partition.sizes))
        self.about = f"subspaces of {sizes} channels ({partition.source}); {device}, {self.inverter.dtype}"
        if network := self.inverter.generator.about.get("network"):
            self.about += f"; {network} of the generator's file"
        self.fitting = FIRST_BATCH
        """Faces that fit into the device's memory together, as far as is known."""

    @property
    def batch_size(self) -> int:
        """1 on the CPU, where every result is written as soon as it is there, and for methods that ask for it."""
        if self.inverter.device.type == "cpu" or self.inverter.settings.single_image_only:
            return 1
        return self.request.batch_size or self.fitting

    def prepare(self, job: Job) -> PreparedImage:
        """Read the photo, and measure it."""
        return self.inverter.prepare(job.inputs[0].path)

    def completed(self, job: Job, prepared: PreparedImage) -> Job:
        """The job with a bundle for every face and sample; and an image for each, if squares alone are wanted."""
        kinds = ("bundle",) if self.inverter.request.gives_whole else ("image", "bundle")
        return job.with_faces(len(prepared.squares), kinds).with_samples(self.request.samples)

    def identity(self, prepared: PreparedImage) -> tuple[str, str]:
        """SHA-256 of the settings, those of the last sample, and of the photo."""
        return self.inverter.drawn(self.request.samples - 1).settings_hash, prepared.sha256

    def run(self, batch: Sequence[tuple[Job, PreparedImage]], watch: Watch) -> list[Product]:
        """Do the task for the photos of a batch."""
        inverter = self.inverter
        watch_memory(inverter.device)
        paths = {
            square.sha256: files.beside(job.last, f"{n}.{files.CHECKPOINT}" if n else files.CHECKPOINT)
            for job, photo in batch
            for n, square in enumerate(photo.squares)
            if job.paths
        }
        checkpoints = Checkpoints(inverter.settings_hash, paths, self.request.checkpoint_every) if paths else None
        squares = sum(len(photo.squares) for _, photo in batch)
        at_once, count = min(squares, max(len(batch), self.batch_size)), self.request.samples
        restore = inverter.run if count == 1 else partial(inverter.sample, count=count)
        photos, results = [photo for _, photo in batch], None
        while results is None:
            try:
                results = restore(photos, callback=watch, checkpoints=checkpoints, at_once=at_once)
            except InsufficientMemoryError:
                if len(batch) > 1 or at_once < 2:
                    raise
                at_once //= 2
        fitting = images_that_fit(inverter.device, min(squares, at_once))
        self.fitting = min(fitting or FIRST_BATCH, MOST_TOGETHER)
        return [self._product(result, job) for (job, _), result in zip(batch, results, strict=True)]

    def recall(self, job: Job, prepared: PreparedImage) -> Product | None:
        """The result again, from its bundles."""
        if not any(kind.startswith("bundle") for kind in job.paths):
            return None
        kinds = ["bundle", *(f"bundle {n}" for n in range(2, len(prepared.squares) + 1))]
        count, results = self.request.samples, []
        for n in range(count):
            paths = [job.paths[kind if count == 1 else f"{kind} #{n + 1}"] for kind in kinds]
            results.append(self.inverter.drawn(n).recall(prepared, [LatentBundle.load(path) for path in paths]))
        return self._product(results[0] if count == 1 else mean_of(results, prepared, self.inverter.task), job)

    def _product(self, result: Inversion, job: Job) -> Product:
        """Files of a result, and sentences about it; no file of one that is not finite."""
        notes = list(dict.fromkeys(note for face in result.faces for note in face.notes))
        worst = max((face.outcome for face in result.faces), key=list(Outcome).index)
        doubts = [note.text for note in notes if note.severity == "warning"]
        finite = Outcome.NOT_FINITE not in [face.outcome for face in result.faces]
        metrics = averaged([face.metrics for face in result.faces])
        return Product(
            files={kind: self._content(kind, result) for kind in job.kinds} if finite else {},
            metrics=metrics,
            outcome=worst.name.lower().replace("_", " "),
            notes=tuple(note.text for note in notes if note.severity == "remark"),
            verdict=self._verdict(metrics, len(result.faces)),
            warning="; ".join([*doubts, *([worst.value] if worst.value else [])]),
            settings=_settings(result.bundle),
            thumbnails=_thumbnails(result) if self.request.thumbnails else {},
        )

    def _content(self, kind: str, result: Inversion) -> bytes:
        """The file of a kind: an image, bundle or comparison, of face n if " n" follows, and of sample m if " #m"."""
        if kind == "sheet":
            return encode_png(samples_sheet(result), None)
        kind, _, sample = kind.partition(" #")
        result = result.samples[int(sample) - 1] if sample.isdecimal() else result
        kind, _, number = kind.partition(" ")
        face = result.faces[int(number or 1) - 1]
        if kind == "bundle":
            return face.bundle.encode()
        last = result.samples[-1] if result.samples else result  # whose settings `identity` gives
        text = png_text(last.faces[int(number or 1) - 1].bundle) if self.request.metadata else None
        if kind == "image":
            return encode_png(result.raster or face.image, text)
        return encode_png(stacked([comparison(each.target, each.image) for each in result.faces]), text)

    def _verdict(self, figures: Mapping[str, float], faces: int) -> str:
        quality = f"PSNR {figures['psnr']:.2f} dB  SSIM {figures['ssim']:.3f}  LPIPS {figures['lpips']:.3f}"
        if self.request.request.task.degrades:
            quality = f"explains what is known to {quality}"
        if "deviation" in figures:
            quality += f"; agrees with it to {figures['deviation']:.1f}/255"
        if "diversity" in figures:
            quality = f"{self.request.samples} samples, LPIPS {figures['diversity']:.3f} apart, on average: {quality}"
        quality = quality if faces == 1 else f"{faces} faces, on average: {quality}"
        return f"{quality}  ({self.inverter.generator.name}, {self.inverter.generator.resolution} px)"


def _thumbnails(result: Inversion) -> dict[str, bytes]:
    """The squares of all faces, and their differences."""
    columns = math.isqrt(len(result.faces) - 1) + 1
    kinds = {
        "input": [face.target for face in result.faces],
        "result": [face.image for face in result.faces],
        "difference": [difference(face.target, face.image) for face in result.faces],
    }
    return {
        kind: encode_thumbnail(
            squares[0] if columns == 1 else grid([squares[n : n + columns] for n in range(0, len(squares), columns)])
        )
        for kind, squares in kinds.items()
    }


def _settings(bundle: LatentBundle) -> dict[str, object]:
    """Everything that a result depends on, by name."""
    settings: dict[str, object] = {"generator": f"{bundle.generator} ({bundle.digest[:12]})", "method": bundle.method}
    settings |= {name: value for name, value in bundle.provenance.items() if name not in _LEFT_OUT and value != ""}
    for part, values in bundle.settings.items():
        settings |= {f"{part}.{name}": value for name, value in values.items()} if isinstance(values, Mapping) else {}
    return settings
