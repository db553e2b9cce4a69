"""The session of a task on photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ganinvert import files
from ganinvert.batch.job import Job, Product
from ganinvert.batch.outputs import png_text
from ganinvert.batch.requests import PhotoRequest
from ganinvert.batch.session import Session, Watch
from ganinvert.bundle import LatentBundle
from ganinvert.checkpoint import Checkpoints
from ganinvert.devices import images_that_fit, watch_memory
from ganinvert.images import comparison, difference, encode_png, encode_thumbnail
from ganinvert.tasks import Inversion, Inverter, PreparedImage

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
        """Photos that fit into the device's memory together, as far as is known."""

    @property
    def batch_size(self) -> int:
        """1 on the CPU, where every result is written as soon as it is there, and for methods that ask for it."""
        if self.inverter.device.type == "cpu" or self.inverter.settings.single_image_only:
            return 1
        return self.request.batch_size or self.fitting

    def prepare(self, job: Job) -> PreparedImage:
        """Read the photo, and measure it."""
        return self.inverter.prepare(job.inputs[0].path)

    def identity(self, prepared: PreparedImage) -> tuple[str, str]:
        """SHA-256 of the settings and of the photo."""
        return self.inverter.settings_hash, prepared.sha256

    def run(self, batch: Sequence[tuple[Job, PreparedImage]], watch: Watch) -> list[Product]:
        """Do the task for the photos of a batch."""
        inverter = self.inverter
        watch_memory(inverter.device)
        paths = {photo.sha256: files.beside(job.last, files.CHECKPOINT) for job, photo in batch if job.paths}
        results = inverter.run(
            [photo for _, photo in batch],
            callback=watch,
            checkpoints=Checkpoints(inverter.settings_hash, paths, self.request.checkpoint_every) if paths else None,
        )
        self.fitting = min(images_that_fit(inverter.device, len(batch)) or FIRST_BATCH, MOST_TOGETHER)
        return [self._product(result, job) for (job, _), result in zip(batch, results, strict=True)]

    def recall(self, job: Job, prepared: PreparedImage) -> Product | None:
        """The result again, from its bundle."""
        if "bundle" not in job.paths:
            return None
        return self._product(self.inverter.recall(prepared, LatentBundle.load(job.paths["bundle"])), job)

    def _product(self, result: Inversion, job: Job) -> Product:
        """Files of a result, and sentences about it; no file of one that is not finite."""
        doubts = [note.text for note in result.notes if note.severity == "warning"]
        finite = result.outcome.name != "NOT_FINITE"
        return Product(
            files={kind: self._content(kind, result) for kind in job.kinds} if finite else {},
            metrics=result.metrics,
            outcome=result.outcome.name.lower().replace("_", " "),
            notes=tuple(note.text for note in result.notes if note.severity == "remark"),
            verdict=self._verdict(result.metrics),
            warning="; ".join([*doubts, *([result.outcome.value] if result.outcome.value else [])]),
            settings=_settings(result.bundle),
            thumbnails=_thumbnails(result) if self.request.thumbnails else {},
        )

    def _content(self, kind: str, result: Inversion) -> bytes:
        if kind == "bundle":
            return result.bundle.encode()
        text = png_text(result.bundle) if self.request.metadata else None
        picture = result.whole or result.image if kind == "image" else comparison(result.target, result.image)
        return encode_png(picture, text)

    def _verdict(self, figures: Mapping[str, float]) -> str:
        quality = f"PSNR {figures['psnr']:.2f} dB  SSIM {figures['ssim']:.3f}  LPIPS {figures['lpips']:.3f}"
        if self.request.request.task.degrades:
            quality = f"explains what is known to {quality}"
        if "deviation" in figures:
            quality += f"; agrees with it to {figures['deviation']:.1f}/255"
        return f"{quality}  ({self.inverter.generator.name}, {self.inverter.generator.resolution} px)"


def _thumbnails(result: Inversion) -> dict[str, bytes]:
    pictures = {"input": result.target, "result": result.image, "difference": difference(result.target, result.image)}
    return {kind: encode_thumbnail(image) for kind, image in pictures.items()}


def _settings(bundle: LatentBundle) -> dict[str, object]:
    """Everything that a result depends on, by name."""
    settings: dict[str, object] = {"generator": f"{bundle.generator} ({bundle.digest[:12]})", "method": bundle.method}
    settings |= {name: value for name, value in bundle.provenance.items() if name not in _LEFT_OUT and value != ""}
    for part, values in bundle.settings.items():
        settings |= {f"{part}.{name}": value for name, value in values.items()} if isinstance(values, Mapping) else {}
    return settings
