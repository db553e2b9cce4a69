"""The one optimisation loop: θ* = argmin L(P(render(θ)), y)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ganinvert.degradations import Degradation, Identity
from ganinvert.devices import autocast
from ganinvert.generators import Generator
from ganinvert.losses import pixel_loss
from ganinvert.methods import Code, Method, Refiner
from ganinvert.optimize.cuda_graph import StepFunction, captured
from ganinvert.optimize.objective import ObjectiveFunction
from ganinvert.optimize.optimizers import CodeOptimizer, is_captured
from ganinvert.optimize.solution import Snapshot, Solution, Step, judge
from ganinvert.settings import Objective, Optimization


@dataclass(frozen=True)
class Stage:
    """A second loop, which starts where the first one ended.

    Attributes:
        method: Makes the code of the first loop into that of the second.
        optimization: Steps and learning rates.
        objective: Weights of the loss terms.
    """

    method: Refiner
    optimization: Optimization
    objective: Objective


def solve(
    generator: Generator,
    y: Tensor,
    *,
    method: Method,
    degradation: Degradation | None = None,
    objective: Objective | None = None,
    optimization: Optimization | None = None,
    refinement: Stage | None = None,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    resume: Snapshot | None = None,
    callback: Callable[[Step], None] | None = None,
) -> Solution:
    """Find the codes whose images explain the measurements.

    Losses are summed over images, so that no image's result depends on its neighbours.

    Args:
        generator: Frozen, on the device to compute on.
        y: Measurements, (b, 3, r, r) in [-1, 1] for the identity, on the same device.
        method: What is optimised.
        degradation: P; the identity by default.
        objective: Weights of the loss terms.
        optimization: Steps and learning rates.
        refinement: What follows; for one image at a time.
        dtype: What convolutions compute in; variables, losses and moments are float32.
        seed: Of everything random.
        resume: Where an earlier loop of the same arguments stood; it goes on from there.
        callback: Called after every step; an exception it raises ends the loop.
    """
    degradation = degradation or Identity()
    optimization = optimization or Optimization()
    problem = _Problem(generator, y, degradation, dtype, callback)
    total = optimization.steps + (refinement.optimization.steps if refinement else 0)
    with autocast(y.device, dtype):
        code = method.start(generator, y, degradation, seed=seed)
    losses = problem.descend(code, optimization, objective or Objective(), total=total, resume=resume)
    history = losses
    if refinement is not None:
        with autocast(y.device, dtype):
            code = refinement.method.start(generator, code, y, degradation, seed=seed)
        tuned = problem.descend(
            code, refinement.optimization, refinement.objective, total=total, before=optimization.steps
        )
        history = torch.cat([losses, tuned])
    with torch.no_grad(), autocast(y.device, dtype):
        final = pixel_loss(degradation(code.render(generator).float()), y) / degradation.coverage(y)
    degraded = not isinstance(degradation, Identity)
    judged = tuple(judge(*one, degraded=degraded) for one in zip(losses.T, final.cpu(), strict=True))
    return Solution(code, history, judged)


@dataclass(frozen=True)
class _Problem:
    """What does not change from one loop to the next."""

    generator: Generator
    y: Tensor
    degradation: Degradation
    dtype: torch.dtype
    callback: Callable[[Step], None] | None

    def descend(
        self,
        code: Code,
        optimization: Optimization,
        objective: Objective,
        *,
        total: int,
        before: int = 0,
        resume: Snapshot | None = None,
    ) -> Tensor:
        """Move a code; returns the objective before every step, (steps, b), on the CPU."""
        if not optimization.steps:
            return torch.zeros(0, len(self.y))
        with autocast(self.y.device, self.dtype):
            evaluate = ObjectiveFunction(self.generator, self.y, self.degradation, objective)
        mover = CodeOptimizer(optimization.optimizer, code, self.y.device)
        run = self._stepping(code, evaluate, mover)
        losses = torch.empty(optimization.steps, len(self.y), device=self.y.device)
        if resume is not None:
            losses[: resume.done] = resume.losses.to(self.y.device)
            mover.restore(resume, moved=resume.done % optimization.run_steps or resume.done)
            evaluate.restore(resume.tensors)

        def snapshot(done: int) -> Snapshot:
            live = mover.state() | evaluate.state()
            return Snapshot(
                done, losses[:done].cpu(), {name: value.detach().cpu().clone() for name, value in live.items()}
            )

        for index in range(resume.done if resume is not None else 0, optimization.steps):
            if code.on_step_start(index, optimization.steps):
                mover.forget()
                run = self._stepping(code, evaluate, mover)
            mover.set_rate(optimization.rate(index))
            losses[index], pixel = run(refresh=index % objective.perceptual_every == 0)
            if self.callback is not None:
                keep = partial(snapshot, index + 1) if mover.keeps_state else None
                self.callback(Step(before + index, total, losses[index], pixel.clone(), keep))
        history = losses.cpu()
        code.on_end(history)
        return history

    def _stepping(self, code: Code, evaluate: ObjectiveFunction, mover: CodeOptimizer) -> StepFunction:
        """One step, as a CUDA graph where that can be."""

        def step(*, refresh: bool) -> tuple[Tensor, Tensor]:
            told: list[tuple[Tensor, Tensor]] = []

            def objective() -> Tensor:
                with autocast(self.y.device, self.dtype):
                    surrogate, loss, pixel = evaluate(code, refresh=refresh)
                told.append((loss, pixel))
                return surrogate.sum()

            mover.step(objective)
            code.project_()
            return told[0]

        if is_captured(mover.kind, code, self.y.device):
            mover.set_rate(0.0)
            return captured(step, code, mover.optimizer, self.y.device)
        return step
