"""Devices, precision and memory of the computation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

import torch

from ganinvert.errors import UsageError
from ganinvert.settings.common import Precision

_PROCESS = Path("/proc/self")
MEMORY_SHARE = 0.8
"""Share of the free memory that a batch may take; the rest allows for fragmentation."""


def resolve_device(name: str) -> torch.device:
    """Find the device called `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; `auto` is CUDA if there is one, else the CPU.

    Raises:
        UsageError: The name is unknown or this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"{name}: no such device", hint="choose auto, cpu, cuda, cuda:N or mps") from error
    available = {
        "cpu": True,
        "cuda": (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise UsageError(f"{name}: this machine has no such device", hint="use --device auto or --device cpu")
    return device


def resolve_precision(name: Precision, device: torch.device, *, allows_bfloat16: bool = True) -> torch.dtype:
    """Choose the data type of convolutions; variables are always float32.

    `auto` is bfloat16 where the generator allows it and the hardware supports it (measured in
    docs/explanation/optimisation.md), else float32.
    """
    if name == "auto":
        return torch.bfloat16 if allows_bfloat16 and _has_fast_bfloat16(device) else torch.float32
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Create a context in which convolutions compute in `dtype`."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Compute as in a fresh process, whatever the caller has set in torch, and leave that as it was.

    That is: gradients, inference mode, autocast, the default type and device, and the state of the global random
    generator of the CPU. Decorates the functions that a user of the library calls.
    """
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if dtype != torch.float32:
            torch.set_default_dtype(torch.float32)
            stack.callback(torch.set_default_dtype, dtype)
        yield


def watch_memory(device: torch.device) -> None:
    """Restart the measurement of `peak_memory` and `images_that_fit`."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):  # only Linux has this file, and may forbid writing it
            (_PROCESS / "clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int | None:
    """Return the peak memory since `watch_memory` in bytes, or None where it is unknown.

    On CUDA it is the memory of tensors; on Linux, the resident memory of the whole process.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in (_PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


def images_that_fit(device: torch.device, batch: int) -> int | None:
    """Estimate how many images fit into the device's memory together.

    Args:
        device: Device that processed a batch since `watch_memory`; its peak memory tells the memory per image.
        batch: Number of images of that batch, at least 1.

    Returns:
        Number of images, or None for devices other than CUDA.
    """
    if device.type != "cuda":
        return None
    in_use = torch.cuda.memory_allocated(device)
    each = max(1, torch.cuda.max_memory_allocated(device) - in_use) / batch
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - in_use
    return max(1, int(MEMORY_SHARE * free / each))


def _has_fast_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):  # torch ≥ 2.10
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False
