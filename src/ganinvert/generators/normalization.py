"""PixelNorm, with a fast gradient."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable


class _PixelNorm(torch.autograd.Function):
    """x / rms(x) over channels, with the gradient written out, which is faster than autograd's."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        scale = torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)
        normed = x * scale
        ctx.save_for_backward(normed, scale)
        return normed

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        normed, scale = ctx.saved_tensors  # type: ignore[attr-defined]  # there on the context that torch passes
        along = (gradient * normed).mean(dim=1, keepdim=True)
        return torch.addcmul(gradient, normed, along, value=-1).mul_(scale)


def pixel_norm(x: Tensor) -> Tensor:
    """Divide by the root mean square over channels: x (n, c, h, w) → the same shape; eps 1e-8."""
    normed: Tensor = _PixelNorm.apply(x)
    return normed
