"""The batch session of a candidate: it restores degraded photos, and records what that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ganinvert.batch.inputs import Input
from ganinvert.batch.job import Job, Product
from ganinvert.batch.photos import PhotoSession
from ganinvert.batch.requests import PhotoRequest
from ganinvert.batch.session import BatchRequest, Watch
from ganinvert.benchmark.cost import CostRecorder
from ganinvert.optimize import Step
from ganinvert.tasks.base import PreparedImage
from ganinvert.tasks.session import Inverter


@dataclass(frozen=True)
class CandidateRequest(BatchRequest):
    """A task on photos that are degraded already.

    Attributes:
        inverter: Session of the candidate.
        photos: Degraded photos.
        batch_size: Photos that an accelerator optimises together; None: as many as fit.
    """

    command: ClassVar[str] = "evaluate"
    verb: ClassVar[str] = "done"
    session: ClassVar[str] = "ganinvert.benchmark.session:CandidateSession"
    inverter: Inverter
    photos: Mapping[Input, PreparedImage]
    batch_size: int | None = None


class CandidateSession(PhotoSession):
    """Restores the photos of a request; the files of a product include its cost as "record"."""

    def __init__(self, request: CandidateRequest) -> None:
        super().__init__(PhotoRequest(request.inverter.request, request.batch_size), request.inverter)
        self.photos = request.photos
        self.is_warm = False

    def prepare(self, job: Job) -> PreparedImage:
        """Take the degraded photo."""
        return self.photos[job.inputs[0]]

    def run(self, batch: Sequence[tuple[Job, PreparedImage]], watch: Watch) -> list[Product]:
        """Restore the photos of a batch."""
        if not self.is_warm:  # loading and rendering once for all photos is not a cost of the first photo
            self.is_warm = True
            replace(self.inverter, settings=self.inverter.settings.shortest).run([batch[0][1]])
        recorder = CostRecorder(self.inverter.device)

        def both(step: Step) -> None:
            recorder(step)
            watch(step)

        bare = [(replace(job, paths={k: p for k, p in job.paths.items() if k != "record"}), p) for job, p in batch]
        products = super().run(bare, both)
        records = recorder.records(len(batch))
        # Notes on a photo would be repeated for every method.
        return [
            replace(product, files={**product.files, "record": record.encode()}, notes=(), warning="")
            if product.files
            else product
            for product, record in zip(products, records, strict=True)
        ]
