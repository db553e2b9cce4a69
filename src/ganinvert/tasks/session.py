"""A session: a generator, loaded once, that does a task for any number of photos."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import torch

from ganinvert import images, progress
from ganinvert.bundle import LatentBundle
from ganinvert.checkpoint import Checkpoints
from ganinvert.degradations import stack
from ganinvert.devices import undisturbed
from ganinvert.errors import ImageError, InsufficientMemoryError
from ganinvert.faces import Alignment, Note, Square
from ganinvert.methods import FineTuning, method_of
from ganinvert.optimize import Snapshot, Solution, Step, solve
from ganinvert.settings import InversionSettings, InvertTask, Request, RequestOptions, TaskOptions
from ganinvert.settings.common import DEFAULT_GENERATOR, MethodName, plain
from ganinvert.settings.presets import AUTOMATIC
from ganinvert.subspaces import SubspacePartition
from ganinvert.tasks.base import PreparedImage
from ganinvert.tasks.resolution import SMALLEST_PART, ResolvedRequest
from ganinvert.tasks.results import Inversion, gathered, mean_of

if TYPE_CHECKING:
    from PIL.Image import Image

OUT_OF_MEMORY = ("DefaultCPUAllocator", "MPS backend out of memory", "CUDA error: out of memory")
"""Messages of the errors of a full memory that have no type of their own."""


class SessionOptions(RequestOptions, total=False):
    """Keywords of `Inverter.load`: fields of `Request`, and `partition`, subspaces instead of discovered ones."""

    generator: str | Path
    partition: SubspacePartition | None


@dataclass(frozen=True)
class Inverter(ResolvedRequest):
    """A session: a loaded generator and the task that it does, for any number of photos."""

    @classmethod
    def load(
        cls,
        generator: str | Path = DEFAULT_GENERATOR,
        settings: InversionSettings | MethodName = AUTOMATIC,
        *,
        task: TaskOptions = InvertTask(),
        partition: SubspacePartition | None = None,
        **options: Unpack[RequestOptions],
    ) -> Inverter:
        """Open a session by keywords: see `Request` for what they mean, and `open` for errors."""
        return cls.open(Request(task, settings, generator, **options), partition)

    @undisturbed()
    def prepare(self, picture: str | Path | Image | images.Picture) -> PreparedImage:
        """Read a photo and measure it.

        Args:
            picture: A file, a Pillow image, or a picture that is read already and is taken as it is.

        Raises:
            ImageError: The photo cannot be used.
        """
        if isinstance(picture, str | Path):
            picture = self.task.open(images.read(Path(picture)), Path(picture))
        elif not isinstance(picture, images.Picture):
            picture = self.task.open(images.from_pil(picture), None)
        first, *others = self._squares(picture)
        whole = self.request.gives_whole
        if not whole and not others:
            return first
        digest = hashlib.sha256("".join(each.sha256 for each in (first, *others)).encode())
        if whole:
            text = self.task.left_out(picture, [each.fit.placement for each in (first, *others)])
            first = replace(first, notes=(*first.notes, Note("warning", text))) if text else first
            raster = picture.raster
            digest.update(raster.levels.tobytes())
            if raster.alpha is not None:
                digest.update(raster.alpha.tobytes())
        return replace(first, picture=picture if whole else None, sha256=digest.hexdigest(), others=tuple(others))

    def _squares(self, picture: images.Picture) -> list[PreparedImage]:
        """Measure the squares of a photo; those that cannot be used are left out, unless there is no other."""
        request = self.request
        squares, remarks = Alignment(request.align, request.faces).find(
            picture,
            mode=request.fit,
            knows_faces=self.generator.knows_faces,
            smallest=self.task.smallest_face if request.faces == "all" else None,
        )
        if self.remark:
            remarks.append(Note("remark", self.remark))
        prepared, problems = self._measured(picture, squares, remarks)
        if not prepared and request.face is None:  # what is missing may be elsewhere than the faces
            prepared, _ = self._measured(picture, [images.default_square(picture.rgb.size, request.fit)], remarks)
        if not prepared:
            raise problems[0]
        if problems and len(squares) > 1:
            text = f"{len(problems)} of {len(squares)} faces left as they are: {problems[0].message}"
            prepared[0] = replace(prepared[0], notes=(*prepared[0].notes, Note("remark", text)))
        return prepared

    def _measured(
        self, picture: images.Picture, squares: Sequence[Square], remarks: Sequence[Note]
    ) -> tuple[list[PreparedImage], list[ImageError]]:
        """Measure the squares; what is wrong with those that cannot be used comes second."""
        prepared: list[PreparedImage] = []
        problems: list[ImageError] = []
        for placement, note in squares:
            try:
                side = self.task.side(placement, self.generator.resolution, whole=self.request.gives_whole)
                fitted = images.place(picture, placement, side, note=note)
                prepared.append(self.task.prepare(picture, fitted, remarks=() if prepared else remarks))
            except ImageError as error:
                problems.append(error)
        return prepared, problems

    @undisturbed()
    def run(
        self,
        prepared: Sequence[PreparedImage],
        *,
        callback: Callable[[Step], None] | None = None,
        checkpoints: Checkpoints | None = None,
        at_once: int | None = None,
    ) -> list[Inversion]:
        """Do the task for photos, with all their faces; no result depends on the others.

        An accelerator optimises those together whose measurements are alike. Convolutions round differently
        for every number of images, and the optimisation makes much of it, so the CPU takes one after another: there
        results are the same to the bit.

        Args:
            prepared: Photos made ready by `prepare`.
            callback: Called after every step of every batch; StopIteration ends its optimisation there, see `solve`.
            checkpoints: Store of unfinished optimisations, to go on from.
            at_once: Most faces that are optimised together; None: all whose measurements have the same size.

        Raises:
            InsufficientMemoryError: The photos do not fit into the device's memory together.
        """
        batches: dict[object, list[tuple[int, Snapshot | None]]] = {}
        alone = self.device.type == "cpu" or self.settings.single_image_only
        squares = [square for photo in prepared for square in photo.squares]
        for n, each in enumerate(squares):
            snapshot = checkpoints.load(each.sha256) if checkpoints else None
            kind = n if alone else None, each.measurement.likeness, snapshot.done if snapshot else 0
            batches.setdefault(kind, []).append((n, snapshot))
        results: dict[int, Inversion] = {}
        for together in batches.values():
            for start in range(0, len(together), at_once or len(together)):
                batch = together[start : start + (at_once or len(together))]
                if len(squares) > len(prepared):
                    progress.report("restoring faces", len(results), len(squares))
                photos = [squares[n] for n, _ in batch]
                snapshots = [snapshot for _, snapshot in batch if snapshot is not None]
                solution = self._solve(photos, snapshots, callback, checkpoints)
                results |= zip((n for n, _ in batch), self._results(photos, solution), strict=True)
        in_order = (results[n] for n in range(len(squares)))
        return [gathered([next(in_order) for _ in photo.squares], photo, self.task) for photo in prepared]

    def sample(
        self,
        prepared: Sequence[PreparedImage],
        count: int,
        *,
        callback: Callable[[Step], None] | None = None,
        checkpoints: Checkpoints | None = None,
        at_once: int | None = None,
    ) -> list[Inversion]:
        """Do the task so many times, with the next seeds: the means of the results, which hold these as `samples`.

        See `run` for the other arguments; steps are counted over all samples.
        """
        drawn: list[list[Inversion]] = []
        for n in range(count):
            session = self.drawn(n)

            def watch(step: Step, before: int = n) -> None:
                if callback:
                    callback(replace(step, index=before * step.steps + step.index, steps=count * step.steps))

            own = checkpoints and replace(checkpoints, settings_hash=session.settings_hash)
            drawn.append(session.run(prepared, callback=watch, checkpoints=own, at_once=at_once))
        return [mean_of(each, photo, self.task) for each, photo in zip(zip(*drawn, strict=True), prepared, strict=True)]

    def drawn(self, n: int) -> Inverter:
        """The session that makes sample `n`, counted from 0: its seed is greater by n."""
        return replace(self, request=replace(self.request, seed=self.request.seed + n))

    @undisturbed()
    def recall(self, prepared: PreparedImage, bundles: Sequence[LatentBundle]) -> Inversion:
        """The result again, from the bundles that an earlier run with the same settings made of the same photo."""
        results = [
            Inversion.of(bundle, self.generator, square)
            for bundle, square in zip(bundles, prepared.squares, strict=True)
        ]
        return gathered(results, prepared, self.task)

    def _solve(
        self,
        prepared: Sequence[PreparedImage],
        snapshots: Sequence[Snapshot],
        callback: Callable[[Step], None] | None,
        checkpoints: Checkpoints | None,
    ) -> Solution:
        def watch(step: Step) -> None:
            if checkpoints:
                checkpoints.after(step, [each.sha256 for each in prepared])
            if callback:
                callback(step)

        y, degradation = stack([each.measurement for each in prepared], self.generator.resolution)
        tuning, reals = self.settings.tuning, None if self.reals is None else self.reals.training
        try:
            return solve(
                self.generator,
                y.to(self.device),
                degradation=degradation.to(self.device),
                method=method_of(self.settings.method, self.partition),
                objective=self.settings.objective,
                optimization=self.settings.optimization,
                fine_tuning=None if tuning is None else FineTuning(tuning, reals=reals),
                dtype=self.dtype,
                seed=self.request.seed,
                resume=Snapshot.stacked(snapshots) if snapshots else None,
                callback=watch,
            )
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise InsufficientMemoryError(
                f"not enough memory for {len(prepared)} photos together",
                hint="use a smaller --batch-size, or fewer codes",
            ) from error

    def _results(self, prepared: Sequence[PreparedImage], solution: Solution) -> list[Inversion]:
        """Results, rendered on the CPU and one by one: a picture is exactly what its bundle gives again."""
        if self.generator.resolution >= 2 * SMALLEST_PART:
            progress.report("rendering the result", 0, len(prepared))
        drafts = [self._draft(each, solution, n) for n, each in enumerate(prepared)]
        self.generator.cpu()
        try:
            return [Inversion.of(draft, self.generator, each) for draft, each in zip(drafts, prepared, strict=True)]
        finally:
            self.generator.to(self.device)

    def _draft(self, prepared: PreparedImage, solution: Solution, n: int) -> LatentBundle:
        measured, code, done = prepared.measurement, solution.code, len(solution.losses)
        stopped = {"settings_hash": "", "stopped": f"after step {done} of {solution.steps}"}
        return LatentBundle(
            task=self.task.name,
            method=self.settings.label,
            generator=self.generator.name,
            digest=self.generator.digest,
            composition=plain(self.settings.method),
            layer=self.layer,
            code={"kind": code.kind, "space": code.space},
            tensors=code.tensors(n),
            deltas=code.deltas(n),
            partition=self.partition,
            losses=solution.losses[:, n].clone(),
            metrics={},
            settings=plain(self.settings),
            provenance=self.provenance(prepared, solution.outcomes[n]) | (stopped if done < solution.steps else {}),
            measurement=measured if measured.binds else None,
        )


def is_out_of_memory(error: RuntimeError) -> bool:
    """True if an operation failed because the memory of its device is full."""
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in OUT_OF_MEMORY)
