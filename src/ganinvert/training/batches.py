"""Batches of training images in an order that only the seed decides."""

from __future__ import annotations

import torch
from torch import Tensor


class Batches:
    """Endless batches of images (n, 3, r, r), uint8, in an order that only the seed and the images seen before decide.

    The images are copied to the device if they take less than a quarter of the free memory there. With `flip`, half of
    them are mirrored. A batch of more than n images repeats some.
    """

    def __init__(self, pixels: Tensor, batch: int, *, flip: bool, seed: int, device: torch.device) -> None:
        self.count, self.batch, self.flip, self.seed, self.device = len(pixels), batch, flip, seed, device
        if device.type == "cuda":
            free, _total = torch.cuda.mem_get_info(device)
            pixels = pixels.to(device) if pixels.nbytes < free // 4 else pixels.pin_memory()
        self.pixels = pixels
        self._epoch, self._order = -1, torch.empty(0)

    def at(self, images_seen: int) -> Tensor:
        """The batch that follows after `images_seen` images: (batch, 3, r, r) in [-1, 1] on the device."""
        indices, flips = self._draw(images_seen)
        images = self.pixels[indices.to(self.pixels.device, non_blocking=True)]
        images = images.to(self.device, non_blocking=True).float() / 127.5 - 1
        if not self.flip:
            return images
        mirrored = flips.bool().to(self.device, non_blocking=True)[:, None, None, None]
        return torch.where(mirrored, images.flip(3), images)

    def _draw(self, position: int) -> Tensor:
        """Rows of indices and flips: every image once per epoch."""
        parts, remaining = [], self.batch
        while remaining:
            epoch, place = divmod(position, self.count)
            if epoch != self._epoch:
                rng = torch.Generator().manual_seed((self.seed + (epoch << 20)) % 2**63)
                flips = torch.randint(0, 2, (self.count,), generator=rng)
                self._epoch, self._order = epoch, torch.stack([torch.randperm(self.count, generator=rng), flips])
            parts.append(self._order[:, place : place + remaining])
            position, remaining = position + parts[-1].shape[1], remaining - parts[-1].shape[1]
        return torch.cat(parts, dim=1)
