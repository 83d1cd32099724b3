"""Attention by FlexAttention, and a test of which of its kernels run on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, FlexKernelOptions, flex_attention

from trainables.gpt2.masks import Attend, Mask, block_mask

Kernels = Mapping[torch.dtype, FlexKernelOptions]
"""Options of the kernels by the type of the values; torch's defaults for missing types."""

_SMALL: FlexKernelOptions = {
    "BLOCK_M": 32,
    "BLOCK_N": 32,
    "BLOCK_M1": 32,
    "BLOCK_N1": 32,
    "BLOCK_M2": 32,
    "BLOCK_N2": 32,
    "num_stages": 1,
}
"""Block sizes that fit into the 99 KiB of shared memory of consumer GPUs with wide heads in float32."""


def attend_in_blocks(device: torch.device, kernels: Kernels | None = None) -> Attend:
    """Return an attention function that skips blocks hidden by the mask.

    It takes the arguments of :func:`trainables.gpt2.masks.attend_dense`, with a mask of
    :func:`trainables.gpt2.masks.block_mask`. On a GPU it is compiled: uncompiled, it computes every product.

    Args:
        device: where it is called.
        kernels: options of its kernels on that device.
    """
    options = dict(kernels or {})
    flex: Callable[..., Any] = flex_attention
    if device.type == "cuda":
        flex = torch.compile(flex_attention, dynamic=False)

    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Mask, scale: float) -> Tensor:
        assert isinstance(mask, BlockMask)
        # Autocast does not cover FlexAttention: after a norm, which is in float32, types would differ.
        query, key = query.to(value.dtype), key.to(value.dtype)
        chosen = options.get(value.dtype)
        attended: Tensor = flex(query, key, value, block_mask=mask, scale=scale, kernel_options=chosen)
        return attended

    return attend


@lru_cache(maxsize=8)
def kernels_for(device: torch.device, width: int) -> tuple[Kernels, str | None]:
    """Return options of kernels that run forward and backward on a GPU; else one line on why none do.

    Torch's default needs more shared memory than some GPUs have, and fails at the first call.

    Args:
        device: a GPU.
        width: features of a head.
    """
    types = [torch.float32]
    if torch.cuda.is_bf16_supported(including_emulation=False):
        types.append(torch.bfloat16)
    found: dict[torch.dtype, FlexKernelOptions] = {}
    for dtype in types:
        options, error = _first_that_runs(device, width, dtype)
        if error is not None:
            said = str(error).strip().partition("\n")[0]
            return {}, f"{type(error).__name__}: {said}"
        if options:
            found[dtype] = options
    return found, None


def _first_that_runs(
    device: torch.device, width: int, dtype: torch.dtype
) -> tuple[FlexKernelOptions, Exception | None]:
    """Return options that run, or the error of torch's default."""
    first: Exception | None = None
    own: FlexKernelOptions = {}
    for options in (own, _SMALL):
        try:
            _try_out(device, width, dtype, options)
        except Exception as error:
            first = first or error
        else:
            return options, None
    return own, first


def _try_out(device: torch.device, width: int, dtype: torch.dtype, options: FlexKernelOptions) -> None:
    """Attend once, forward and backward, over several blocks of 128 tokens."""
    length = 512
    query, key, value = (
        torch.ones(1, 1, length, width, device=device, dtype=dtype, requires_grad=True) for _ in range(3)
    )
    window = torch.full((1,), length // 2, device=device)
    attend = attend_in_blocks(device, {dtype: options})
    attended = attend(query, key, value, block_mask(length, None, window, device), 1.0)
    torch.autograd.backward(attended.sum())
    torch.cuda.synchronize(device)
