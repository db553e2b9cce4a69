"""The batch session of a candidate: it degrades photos, restores them, and records what that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from ganinvert.batch.job import Job, Product
from ganinvert.batch.photos import PhotoSession
from ganinvert.batch.requests import PhotoRequest
from ganinvert.batch.session import Watch
from ganinvert.benchmark.cost import CostRecorder
from ganinvert.benchmark.protocol import EvaluationProtocol
from ganinvert.benchmark.truth import degrade, read_truth
from ganinvert.generators import Generator, load_generator
from ganinvert.optimize import Step
from ganinvert.subspaces import SubspacePartition
from ganinvert.tasks.base import PreparedImage
from ganinvert.tasks.session import Inverter


@dataclass(frozen=True, kw_only=True)
class CandidateRequest(PhotoRequest):
    """A candidate of a benchmark on photos whose truth is known.

    Its subspaces can be random ones of equal sizes, which need no discovery, or be shuffled, which keeps their sizes.
    """

    command = "evaluate"
    verb = "done"
    session = "ganinvert.benchmark.session:CandidateSession"
    protocol: EvaluationProtocol
    equal_subspaces: bool = False
    shuffled: bool = False

    def open_inverter(self, generator: Generator | None = None) -> Inverter:
        """Load the candidate, on a generator that is loaded already if one is given; see `Inverter.open` for errors."""
        generator = load_generator(self.request.generator) if generator is None else generator
        settings, partition = self.request.settings_for(styled=generator.is_styled), None
        if self.equal_subspaces and settings.method.discovery_layer is not None:
            channels = generator.layer_info(settings.method.discovery_layer).channels
            partition = SubspacePartition.random(channels, settings.method.partition[0])
        inverter = Inverter.open(self.request, partition, generator=generator)
        if self.shuffled and inverter.partition.subspaces > 1:
            return Inverter.open(self.request, inverter.partition.shuffled(), generator=generator)
        return inverter


class CandidateSession(PhotoSession):
    """Degrades and restores photos, unless they are degraded already; the cost is the file "record" of a product."""

    def __init__(
        self,
        request: CandidateRequest,
        inverter: Inverter | None = None,
        photos: Mapping[Path, PreparedImage] = MappingProxyType({}),
    ) -> None:
        super().__init__(request, inverter or request.open_inverter())
        self.protocol, self.photos, self.is_warm = request.protocol, photos, False

    def prepare(self, job: Job) -> PreparedImage:
        """Read and degrade a photo, unless that is done."""
        path = job.inputs[0].path
        if path in self.photos:
            return self.photos[path]
        return degrade(read_truth(path, self.inverter, self.protocol), self.protocol)

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
        # Notes on a photo would be repeated for every method.
        products = [replace(product, notes=(), warning="") for product in super().run(bare, both)]
        return [
            replace(product, files={**product.files, "record": record.encode()}) if product.files else product
            for product, record in zip(products, recorder.records(len(batch)), strict=True)
        ]
