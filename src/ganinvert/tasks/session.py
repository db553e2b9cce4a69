"""Doing a task for many pictures: files or Pillow images in, results with everything around them out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.checkpoint import Checkpoints
from ganinvert.degradations import Measurement, stack
from ganinvert.devices import resolve_device, resolve_precision
from ganinvert.errors import InsufficientMemoryError, UsageError
from ganinvert.faces import Alignment
from ganinvert.generators import PGGANGenerator, load_generator
from ganinvert.methods import FineTuning, adapt_to_generator, auxiliary_digests, edit_layer, edit_partition, method_of
from ganinvert.optimize import Snapshot, Solution, Stage, Step, solve
from ganinvert.settings import (
    DEFAULT_GENERATOR,
    INVERT,
    Align,
    FitMode,
    InversionSettings,
    PmSFC,
    Precision,
    require_seed,
)
from ganinvert.subspaces import SubspacePartition
from ganinvert.tasks.base import InvertTask, PreparedImage, Task
from ganinvert.tasks.provenance import provenance, settings_hash
from ganinvert.tasks.results import Inversion
from ganinvert.training import ImageFolder

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Inverter:
    """A generator, its subspaces, a task and its settings, loaded once for any number of pictures.

    Attributes:
        generator: On `device`.
        layer: Where results can be edited.
        partition: The subspaces of that layer.
        settings: Method, optimisation and objective.
        task: What pictures tell of the wanted image.
        device: Where to compute.
        dtype: What convolutions compute in.
        seed: Of the codes' start.
        fit_mode: How pictures that are not square become so.
        alignment: What to do about faces that are not where the generator expects them.
        paste_back: Whether results are also put back into their pictures.
        auxiliary_digests: Digests of the other networks that the method asks for.
        remark: What is to be said of every result; empty for nothing.
        reals: What near-perfect fine-tuning takes for real images; None: the generator's own.
    """

    generator: PGGANGenerator
    layer: int
    partition: SubspacePartition
    settings: InversionSettings
    task: Task
    device: torch.device
    dtype: torch.dtype
    seed: int
    fit_mode: FitMode
    alignment: Alignment
    paste_back: bool
    auxiliary_digests: Mapping[str, str]
    remark: str = ""
    reals: ImageFolder | None = None

    @classmethod
    def load(
        cls,
        generator: str | Path = DEFAULT_GENERATOR,
        settings: InversionSettings = INVERT["default"],
        *,
        task: Task | None = None,
        partition: SubspacePartition | None = None,
        fit: FitMode = "crop",
        align: Align = "auto",
        face: int = 1,
        paste_back: bool = False,
        reals: Path | None = None,
        device: str = "auto",
        dtype: Precision = "auto",
        seed: int = 0,
    ) -> Inverter:
        """Load the generator and find its subspaces.

        Args:
            generator: `portraits-64`, a name, or a generator file.
            settings: Method, optimisation, objective and fine-tuning.
            task: What pictures tell; `InvertTask` by default.
            partition: Subspaces to use instead of the discovered ones.
            fit: How pictures that are not square become so.
            align: What to do about faces that are not where the generator expects them.
            face: Which face, counted from the largest.
            paste_back: Whether results are also put back into their pictures.
            reals: Folder of photos that near-perfect fine-tuning takes for real, instead of the generator's own.
            device: "auto", "cpu", "cuda", "cuda:N" or "mps".
            dtype: What convolutions compute in.
            seed: Of everything random.

        Raises:
            UsageError: The device, layer, face or number of subspaces does not exist, or results of the task have no
                place in their pictures.
            WeightsError: The generator is unknown or damaged, or no subspaces were discovered for it.
        """
        require_seed(seed)
        alignment, task = Alignment(align, face), task or InvertTask()
        if paste_back and not task.fits_back:
            raise UsageError(
                f"a result of {task.name} is larger than its place in the picture", hint="leave --paste-back out"
            )
        place = resolve_device(device)
        loaded = load_generator(generator)
        # What it lacks is said before there is any work to lose.
        settings, remark = adapt_to_generator(settings, loaded, reals=reals is not None)
        networks = auxiliary_digests(settings, loaded)
        method = settings.method
        layer = edit_layer(method, loaded)
        if partition is None:
            partition = edit_partition(loaded, layer, method)
        elif isinstance(method, PmSFC) and method.subspaces > 1:
            settings = replace(settings, method=replace(method, subspaces=partition.subspaces))
        task.check(loaded.resolution)
        return cls(
            generator=loaded.to(place),
            layer=layer,
            partition=partition,
            settings=settings,
            task=task,
            device=place,
            dtype=resolve_precision(dtype, place),
            seed=seed,
            fit_mode=fit,
            alignment=alignment,
            paste_back=paste_back,
            auxiliary_digests=networks,
            remark=remark,
            reals=None if reals is None else ImageFolder.load(reals, loaded.resolution),
        )

    def prepare(self, picture: str | Path | Image | images.Picture) -> PreparedImage:
        """Read a picture, or take a Pillow image, and measure it.

        Raises:
            ImageError: It cannot be used.
        """
        if isinstance(picture, str | Path):
            picture = images.read(Path(picture))
        elif not isinstance(picture, images.Picture):
            picture = images.from_pil(picture)
        side = self.task.side(picture, self.generator.resolution)
        fitted, remarks = self.alignment.fit(picture, side, mode=self.fit_mode, knows_faces=self.generator.knows_faces)
        target = self.task.target(picture, fitted, remarks=(*remarks, self.remark))
        if not self.paste_back:
            return target
        around = hashlib.sha256(target.sha256.encode() + picture.rgb.tobytes())
        return replace(target, picture=picture, sha256=around.hexdigest())

    @property
    def settings_hash(self) -> str:
        """Changes with everything that the result depends on but the input."""
        return settings_hash(self)

    def run(
        self,
        targets: Sequence[PreparedImage],
        *,
        callback: Callable[[Step], None] | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> list[Inversion]:
        """Do the task for pictures, of which none depends on its neighbours.

        An accelerator optimises those together whose measurements have the same size. Convolutions round differently
        for every number of images, and the optimisation makes much of it, so the CPU takes one after another: there
        results are the same to the bit.

        Args:
            targets: Made by `prepare`.
            callback: Called after every step of every batch.
            checkpoints: Where an interrupted optimisation is kept, to go on from.

        Raises:
            InsufficientMemoryError: They do not fit into the device's memory together.
        """
        batches: dict[object, list[tuple[PreparedImage, Snapshot | None]]] = {}
        for n, target in enumerate(targets):
            snapshot = checkpoints.load(target.sha256) if checkpoints else None
            done = snapshot.done if snapshot else 0
            together = (
                n if self.device.type == "cpu" or self.settings.single_image_only else None,
                target.measurement.levels.shape,
                done,
            )
            batches.setdefault(together, []).append((target, snapshot))
        results = {
            id(target): result
            for batch in batches.values()
            for target, result in self._run(batch, callback, checkpoints)
        }
        return [results[id(target)] for target in targets]

    def _run(
        self,
        batch: Sequence[tuple[PreparedImage, Snapshot | None]],
        callback: Callable[[Step], None] | None,
        checkpoints: Checkpoints | None,
    ) -> list[tuple[PreparedImage, Inversion]]:
        targets = [target for target, _ in batch]
        snapshots = [snapshot for _, snapshot in batch if snapshot is not None]

        def watch(step: Step) -> None:
            if checkpoints:
                checkpoints.after(step, [target.sha256 for target in targets])
            if callback:
                callback(step)

        try:
            solution = self._solve(
                [target.measurement for target in targets], Snapshot.stacked(snapshots) if snapshots else None, watch
            )
        except RuntimeError as error:
            if "memory" not in str(error):
                raise
            raise InsufficientMemoryError(
                f"not enough memory for {len(targets)} photos together",
                hint="use a smaller --batch-size, or fewer codes",
            ) from error
        # Rendered from the bundle, on the CPU and one by one: the picture is exactly what the bundle gives again.
        generator = self.generator.cpu()
        try:
            drafts = [self._draft(target, solution, n) for n, target in enumerate(targets)]
            return [
                (target, Inversion.made(draft, generator, target, self.task))
                for target, draft in zip(targets, drafts, strict=True)
            ]
        finally:
            self.generator.to(self.device)

    def _solve(
        self, measurements: Sequence[Measurement], resume: Snapshot | None, callback: Callable[[Step], None]
    ) -> Solution:
        y, degradation = stack(measurements, self.generator.resolution)
        refinement = None
        if (tuning := self.settings.tuning) is not None:
            reals = None if self.reals is None else self.reals.training
            refinement = Stage(FineTuning(tuning, reals=reals), tuning.optimization, tuning.objective)
        return solve(
            self.generator,
            y.to(self.device),
            degradation=degradation.to(self.device),
            method=method_of(self.settings.method, self.partition),
            objective=self.settings.objective,
            optimization=self.settings.optimization,
            refinement=refinement,
            dtype=self.dtype,
            seed=self.seed,
            resume=resume,
            callback=callback,
        )

    def _draft(self, target: PreparedImage, solution: Solution, n: int) -> LatentBundle:
        measured = target.measurement
        return LatentBundle(
            task=self.task.name,
            method=self.settings.label,
            generator=self.generator.name,
            digest=self.generator.digest,
            composition=asdict(self.settings.method),
            layer=self.layer,
            tensors=solution.code.tensors(n),
            deltas=solution.code.deltas(n),
            partition=self.partition,
            losses=solution.losses[:, n].clone(),
            metrics={},
            settings=asdict(self.settings),
            provenance=provenance(self, target, solution.outcomes[n]),
            measurement=None if measured.kind == "identity" else measured,
        )

    def recall(self, target: PreparedImage, bundle: LatentBundle) -> Inversion:
        """The result again, from the bundle that an earlier run with the same settings made of the same picture.

        Args:
            target: Made by `prepare`.
            bundle: Of that picture and task.

        Raises:
            BundleError: The bundle was made with another generator.
        """
        return Inversion.recalled(bundle, self.generator, target, self.task)
