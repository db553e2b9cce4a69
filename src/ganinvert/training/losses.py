"""Losses of generator and discriminator. Scores are (n,), higher for more real; every loss is a mean over images."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.settings.common import GanLoss

GRADIENT_PENALTY = 10.0
DRIFT = 1e-3

Discriminator = Callable[[Tensor], Tensor]


def generator_loss(fake: Tensor, kind: GanLoss) -> Tensor:
    """-log D(G(z)) (Goodfellow et al. 2014) or the negative critic (Arjovsky et al. 2017)."""
    return F.softplus(-fake).mean() if kind == "non-saturating" else -fake.mean()


def discriminator_loss(real: Tensor, fake: Tensor, kind: GanLoss) -> Tensor:
    """The counterpart; the critic's with the drift term of Karras et al. 2018, which keeps its scores near 0."""
    if kind == "non-saturating":
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    return fake.mean() - real.mean() + DRIFT * real.square().mean()


def hinge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of heads on pretrained features, as in projected GANs (Sauer et al. 2021)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def r1_penalty(score: Discriminator, real: Tensor) -> Tensor:
    """E ‖∇D(x)‖² at real images, half of it (Mescheder et al. 2018)."""
    real = real.detach().requires_grad_()
    return _squared_gradients(score, real).mean() / 2


def gradient_penalty(score: Discriminator, real: Tensor, fake: Tensor, rng: torch.Generator) -> Tensor:
    """E (‖∇D(x)‖ - 1)² between real and fake images, times 10 (Gulrajani et al. 2017)."""
    share = torch.rand(len(real), 1, 1, 1, generator=rng, device=real.device)
    between = torch.lerp(real, fake, share).detach().requires_grad_()
    return GRADIENT_PENALTY * ((_squared_gradients(score, between) + 1e-12).sqrt() - 1).square().mean()


def _squared_gradients(score: Discriminator, x: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(score(x).sum(), x, create_graph=True)
    return gradient.float().square().flatten(1).sum(dim=1)
