"""The optimisation loop that all methods share: θ* = argmin L(P(render(θ)), y)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ganinvert.degradations import Degradation, Identity
from ganinvert.devices import autocast
from ganinvert.generators import Generator
from ganinvert.losses import pixel_loss
from ganinvert.methods import Code, FineTuning, Method
from ganinvert.optimize.cuda_graph import StepFunction, capture
from ganinvert.optimize.objective import ObjectiveFunction, restore, state_of
from ganinvert.optimize.optimizers import CodeOptimizer
from ganinvert.optimize.solution import Snapshot, Solution, Step, assess_outcome, code_picture
from ganinvert.optimize.targets import Rounds, targets_of
from ganinvert.settings import Objective, Optimization


def solve(
    generator: Generator,
    y: Tensor,
    *,
    method: Method,
    degradation: Degradation | None = None,
    objective: Objective | None = None,
    optimization: Optimization | None = None,
    fine_tuning: FineTuning | None = None,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    resume: Snapshot | None = None,
    callback: Callable[[Step], None] | None = None,
) -> Solution:
    """Find the codes whose images explain the measurements.

    Losses are summed over images, so no image's result depends on the others of the batch.

    Args:
        generator: Frozen generator, on the device to compute on.
        y: Measurements, (b, 3, r, r) in [-1, 1] for the identity, on the same device.
        method: Method that creates the code to optimise.
        degradation: Degradation P that made the measurements; the identity by default.
        objective: Weights of the loss terms.
        optimization: Steps, learning rates, and parts of the image.
        fine_tuning: Second loop, which continues from the code of the first, for one image at a time.
        dtype: Data type of convolutions; variables, losses and moments are float32.
        seed: Random seed of the initial codes and of random steps.
        resume: Snapshot of an earlier loop with the same arguments, from which to continue.
        callback: Function called after every step. StopIteration ends the loop with the code as it is then, without
            what would follow; every other exception that it raises ends it without a result.
    """
    degradation = degradation or Identity()
    optimization = optimization or Optimization()
    problem = _Problem(generator, y, degradation, dtype, seed, callback)
    total = optimization.steps + (fine_tuning.settings.optimization.steps if fine_tuning else 0)
    with autocast(y.device, dtype):
        code = method.start(generator, y, degradation, seed=seed)
    losses = problem.descend(code, optimization, objective or Objective(), total=total, resume=resume)
    if fine_tuning is not None and len(losses) == optimization.steps:
        with autocast(y.device, dtype):
            code = fine_tuning.start(generator, code, y, degradation, seed=seed)
        second = fine_tuning.settings
        more = problem.descend(code, second.optimization, second.objective, total=total, before=optimization.steps)
        losses = torch.cat([losses, more])
    with torch.no_grad(), autocast(y.device, dtype):
        final = pixel_loss(degradation(code.render(generator).float()), y) / degradation.coverage(y)
        final = (final - degradation.noise**2).clamp(min=0)
    degraded = not isinstance(degradation, Identity)
    outcomes = tuple(assess_outcome(*one, degraded=degraded) for one in zip(losses.T, final.cpu(), strict=True))
    return Solution(code, losses, outcomes, total)


@dataclass(frozen=True)
class _Problem:
    """Arguments that both loops share."""

    generator: Generator
    y: Tensor
    degradation: Degradation
    dtype: torch.dtype
    seed: int
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
        """Optimise a code, and return the objective before every step, (steps, b), on the CPU.

        With parts, it is the mean over the last steps that looked at as many parts as the image has. If the callback
        stopped the loop, there are fewer steps.
        """
        if not optimization.steps:
            return torch.zeros(0, len(self.y))
        resolution, parts = self.generator.resolution, 1 if code.whole_image_only else max(optimization.parts, 1)
        targets = targets_of(self.y, self.degradation, resolution, parts=parts, side=objective.side)
        with autocast(self.y.device, self.dtype):
            evaluate = [ObjectiveFunction(self.generator, target, objective) for target in targets]
        optimizer = CodeOptimizer(optimization.optimizer, code, self.y.device)
        run = self._step_function(code, evaluate, optimizer)
        rounds, first = Rounds(len(targets), self.seed), resume.done if resume is not None else 0
        picture = partial(code_picture, code, self.generator, self.dtype)
        losses = torch.empty(optimization.steps, len(self.y), device=self.y.device)
        pixels = torch.empty_like(losses)
        if resume is not None:
            losses[: resume.done] = resume.losses.to(self.y.device)
            optimizer.restore(resume, steps=resume.done % optimization.run_steps or resume.done)
            restore(evaluate, resume.tensors)

        def snapshot(done: int) -> Snapshot:
            state = optimizer.state() | state_of(evaluate)
            tensors = {name: value.detach().cpu().clone() for name, value in state.items()}
            return Snapshot(done, losses[:done].cpu(), tensors)

        for index in range(first, optimization.steps):
            if code.on_step_start(self.generator, index, optimization.steps):
                optimizer.reset_moments()
                run = self._step_function(code, evaluate, optimizer)
            optimizer.set_rate(optimization.rate(index))
            refresh = rounds.refreshes(index, objective.perceptual_every)
            losses[index], pixels[index] = run(rounds.target(index), refresh=refresh)
            if self.callback is not None:
                take = partial(snapshot, index + 1) if optimizer.is_resumable else None
                loss, pixel = rounds.mean(losses, index), rounds.mean(pixels, index, first)
                try:
                    self.callback(Step(before + index, total, loss, pixel, take, picture))
                except StopIteration:
                    losses = losses[: index + 1]
                    break
        history = losses.cpu()
        history = torch.stack([rounds.mean(history, max(n, len(targets) - 1)) for n in range(len(history))])
        code.on_end(history, optimization.steps)
        return history

    def _step_function(
        self, code: Code, evaluate: Sequence[ObjectiveFunction], optimizer: CodeOptimizer
    ) -> StepFunction:
        """Make the function of one step, a CUDA graph where that is possible."""

        def step(target: int, *, refresh: bool) -> tuple[Tensor, Tensor]:
            results: list[tuple[Tensor, Tensor]] = []

            def objective() -> Tensor:
                with autocast(self.y.device, self.dtype):
                    surrogate, loss, pixel = evaluate[target](code, refresh=refresh)
                results.append((loss, pixel))
                return surrogate.sum()

            optimizer.step(objective)
            code.project_(self.generator)
            return results[0]

        if optimizer.uses_graph:
            optimizer.set_rate(0.0)
            return capture(step, code, optimizer.reset_moments, self.y.device, targets=len(evaluate))
        return step
