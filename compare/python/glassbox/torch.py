# SPDX-License-Identifier: Apache-2.0
"""Gated Linear Attention on NVIDIA GPUs for PyTorch: the kernels of fast/cuda by their C interface.

    from glassbox.torch import gla
    o, final_state = gla(q, k, v, g)                     # [B,T,H,D]; log gates g <= 0; differentiable

    S_t = diag(e^g_t) S_{t-1} + k_t v_t^T                decay, then write
    o_t = scale S_t^T q_t                                then read

Work goes to torch's current stream and memory comes from its allocator; nothing synchronises, so a call can be captured
into a CUDA graph (after one call outside of it). torch.compile sees two opaque operators,
torch.ops.glassbox.gla_forward and gla_backward. Nothing is compiled at run time.
Imported only where torch is, 2.4 or later.
"""

import contextlib
from typing import List, Optional, Tuple

import torch
from torch import Tensor

from . import _cuda
from ._library import GlassboxError

__all__ = ["gla"]

DEVICE = "cuda"
DTYPES = {torch.float32: _cuda.F32, torch.float16: _cuda.F16, torch.bfloat16: _cuda.BF16}
AUTOMATIC = -1  # segment, as the operators take it
HEADS_AT_ONCE = 32  # in the backward: fewer leave a large GPU idle, more need more memory for the states of all chunks


def gla(q, k, v, g=None, *, scale=None, initial_state=None, output_final_state=False, cu_seqlens=None, rung="best",
        segment=None):
    """(o, final_state), differentiable with respect to q, k, v, g and initial_state; final_state is None unless
    output_final_state.

    q, k, g         [B,T,h,dk], v [B,T,h,dv]. bfloat16, float16 or float32, q k v alike; g that or float32. g is the
                    natural logarithm of the decay, g <= 0, -inf an exact reset; None: no decay. Every h divides H, the
                    largest: head i of H reads head i // (H / h), and the gradient of a shared head is the group's sum
    initial_state   [N,h,dk,dv], float32 or q's dtype; None: zeros. N is B, or that of cu_seqlens
    scale           multiplies q; dk^(-1/2) if None
    cu_seqlens      [N+1], int64 or int32, on the GPU, 0 ... T: B is 1 and holds N sequences one behind the other
    rung            "best", or a kernel of fast/cuda by name: "recurrent", "fused", ... ; the backward runs on it too
    segment         sequences longer than so many tokens, a multiple of 64, are cut and their parts run side by side:
                    other roundings, more blocks. 0: no cut. None: 0, but 2048 where N H < 64 and T >= 4096, and 4096
                    where T >= 65536 besides. That depends on shapes alone; name it for bits that N and H leave alone
    returns         o [B,T,H,dv] in q's dtype, final_state [N,H,dk,dv] in float32

    A tensor whose rows do not begin on 16 bytes, or are not dense, is copied. The backward works through some 32 heads
    of the batch at a time, to save memory; the bits do not depend on it. Raises ValueError for what cannot be right or
    is not supported, RuntimeError without a GPU that the rung runs on. How wrong the results are, and how quickly they
    come, beside others': fast/cuda/NOTES.md.
    """
    if scale is not None and scale == 0:
        raise GlassboxError("gla: scale is 0: every output would be 0")
    if segment is not None and segment < 0:
        raise GlassboxError(f"gla: segment is {segment}; wanted a multiple of 64, or 0 for no cut")
    _check(q, k, v, g, initial_state, cu_seqlens)
    initial_state = None if initial_state is None else initial_state.float()
    cu_seqlens = None if cu_seqlens is None else cu_seqlens.to(torch.int64)
    o, final_state = gla_forward(q, k, v, g, initial_state, cu_seqlens, float(scale or 0), output_final_state, rung,
                                 AUTOMATIC if segment is None else segment)
    return o, final_state if output_final_state else None


# ---- shapes ----


def _sizes(q, k, v, g, initial_state, cu_seqlens):
    """B, T, H, dk, dv, N."""
    heads = [x.shape[2] for x in (q, k, v, g) if x is not None]
    if initial_state is not None:
        heads.append(initial_state.shape[1])
    B, T, _, dk = q.shape
    return B, T, max(heads), dk, v.shape[3], B if cu_seqlens is None else cu_seqlens.shape[0] - 1


def _check_one(name, x, axes, shape, like, dtypes):
    """shape: sizes that must be, None for any."""
    if x.dim() != len(shape) or any(want not in (None, have) for want, have in zip(shape, x.shape)):
        wanted = ", ".join(axis if size is None else str(size) for axis, size in zip(axes, shape))
        raise GlassboxError(f"gla: {name} has shape {list(x.shape)}; wanted [{wanted}]")
    if x.device != like.device or x.device.type != DEVICE:
        wanted = like.device if like.device.type == DEVICE else DEVICE
        raise GlassboxError(f"gla: {name} is on {x.device}; move it to {wanted}")
    if x.dtype not in dtypes:
        raise GlassboxError(f"gla: {name} is {x.dtype}; it must be {' or '.join(str(d) for d in dtypes)}")


def _check(q, k, v, g, initial_state, cu_seqlens):
    tokens, states = ("B", "T", "heads", "dk"), ("N", "heads", "dk", "dv")
    _check_one("q", q, tokens, (None,) * 4, q, DTYPES)
    B, T, _, dk = q.shape
    _check_one("k", k, tokens, (B, T, None, dk), q, [q.dtype])
    _check_one("v", v, (*tokens[:3], "dv"), (B, T, None, None), q, [q.dtype])
    either = [torch.float32] if q.dtype == torch.float32 else [q.dtype, torch.float32]
    if g is not None:
        _check_one("g", g, tokens, (B, T, None, dk), q, either)
    if cu_seqlens is not None:
        _check_one("cu_seqlens", cu_seqlens, ("N+1",), (None,), q, [torch.int64, torch.int32])
    if initial_state is not None:
        N = B if cu_seqlens is None else cu_seqlens.shape[0] - 1
        _check_one("initial_state", initial_state, states, (N, None, dk, v.shape[3]), q, either)


def _segment(asked, N, H, T):
    if asked != AUTOMATIC:
        return asked
    return 0 if N * H >= 64 or T < 4096 else 2048 if T < 65536 else 4096


# ---- memory ----


def _room(like, shape, dtype):
    """Uninitialised, its rows beginning on 16 bytes."""
    step = 16 // dtype.itemsize
    return torch.empty((*shape[:3], -(-shape[3] // step) * step), dtype=dtype, device=like.device)[..., :shape[3]]


def _readable(x):
    """x itself if its rows are dense and begin on 16 bytes, else such a copy."""
    step = 16 // x.element_size()
    dense = x.stride(3) == 1 or x.shape[3] == 1
    if dense and x.data_ptr() % 16 == 0 and all(n == 1 or s % step == 0 for n, s in zip(x.shape[:3], x.stride())):
        return x
    return _room(x, x.shape, x.dtype).copy_(x)


@contextlib.contextmanager
def _current_stream(device):
    with torch.cuda.device(device):
        yield torch.cuda.current_stream(device).cuda_stream


class _Work:
    """A problem being put together; holds the tensors that it points to until they are enqueued."""

    def __init__(self, q, k, v, g, initial_state, cu_seqlens, scale, rung, segment):
        self.like, self.held = q, []
        B, T, H, dk, dv, N = self.sizes = _sizes(q, k, v, g, initial_state, cu_seqlens)
        self.problem = _cuda.Problem(B=B, T=T, H=H, dk=dk, dv=dv, N=N, scale=scale)
        self.call = _cuda.Call(rung=_cuda.rung_number(rung), segment=_segment(segment, N, H, T))
        for name, x in (("q", q), ("k", k), ("v", v), ("g", g), ("initial_state", initial_state)):
            self.give(name, x)
        if cu_seqlens is not None:
            self.held.append(cu_seqlens.contiguous())
            self.problem.cu_seqlens = self.held[-1].data_ptr()

    def give(self, name, x):
        """An input; None is absent."""
        if x is not None:
            self._point(name, _readable(x))

    def ask(self, name, shape, dtype):
        """An output, to be filled."""
        x = _room(self.like, shape, dtype)
        self._point(name, x)
        return x

    def _point(self, name, x):
        self.held.append(x)
        field = getattr(self.problem, name)
        field.data, field.dtype, field.stride[:] = x.data_ptr(), DTYPES[x.dtype], x.stride()[:3]
        field.heads = x.shape[1 if name.endswith("state") else 2]

    def _workspace(self, size):
        self.held.append(torch.empty(size, dtype=torch.uint8, device=self.like.device))
        return self.held[-1].data_ptr()

    def run(self, backward):
        N, H = self.sizes[5], self.sizes[2]
        self.call.parts = max(1, N * H // HEADS_AT_ONCE) if backward else 1
        with _current_stream(self.like.device) as self.call.stream:
            _cuda.run(self.problem, self.call, backward, self._workspace)
        self.held.clear()  # what follows on this stream may have the memory


# ---- operators ----


@torch.library.custom_op("glassbox::gla_forward", mutates_args=())
def gla_forward(q: Tensor, k: Tensor, v: Tensor, g: Optional[Tensor], initial_state: Optional[Tensor],
                cu_seqlens: Optional[Tensor], scale: float, with_state: bool, rung: str, segment: int
                ) -> Tuple[Tensor, Tensor]:
    """o and final_state, which is empty unless with_state."""
    work = _Work(q, k, v, g, initial_state, cu_seqlens, scale, rung, segment)
    B, T, H, dk, dv, N = work.sizes
    o = work.ask("o", (B, T, H, dv), q.dtype)
    state = work.ask("final_state", (N, H, dk, dv), torch.float32) if with_state else o.new_empty(0).float()
    work.run(backward=False)
    return o.contiguous(), state.contiguous()


@gla_forward.register_fake
def _(q, k, v, g, initial_state, cu_seqlens, scale, with_state, rung, segment):
    B, T, H, dk, dv, N = _sizes(q, k, v, g, initial_state, cu_seqlens)
    state = (N, H, dk, dv) if with_state else (0,)
    return q.new_empty((B, T, H, dv)), q.new_empty(state, dtype=torch.float32)


GRADIENTS = ("dq", "dk_", "dv_", "dg", "dinitial_state")


@torch.library.custom_op("glassbox::gla_backward", mutates_args=())
def gla_backward(q: Tensor, k: Tensor, v: Tensor, g: Optional[Tensor], initial_state: Optional[Tensor],
                 cu_seqlens: Optional[Tensor], do: Optional[Tensor], dfinal_state: Optional[Tensor], scale: float,
                 rung: str, segment: int, wanted: List[bool]) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """dq dk dv dg dinitial_state in the dtypes of their tensors; empty where not wanted."""
    work = _Work(q, k, v, g, initial_state, cu_seqlens, scale, rung, segment)
    work.give("d_o", do)
    work.give("d_final_state", dfinal_state)
    tensors = (q, k, v, g, initial_state)
    out = [work.ask(name, x.shape, torch.float32 if name == "dg" else x.dtype) if want else q.new_empty(0)
           for name, x, want in zip(GRADIENTS, tensors, wanted)]  # torch rounds dg quicker than group_sum.cu does
    work.run(backward=True)
    return tuple(d.to(x.dtype).contiguous() if want else d for d, x, want in zip(out, tensors, wanted))


@gla_backward.register_fake
def _(q, k, v, g, initial_state, cu_seqlens, do, dfinal_state, scale, rung, segment, wanted):
    return tuple(x.new_empty(x.shape) if want else q.new_empty(0)
                 for x, want in zip((q, k, v, g, initial_state), wanted))


def _setup_context(ctx, inputs, output):
    ctx.set_materialize_grads(False)
    *tensors, scale, ctx.with_state, rung, segment = inputs
    ctx.save_for_backward(*tensors)
    ctx.settings = scale, rung, segment


def _backward(ctx, do, dfinal_state):
    wanted = list(ctx.needs_input_grad[:5])
    out = gla_backward(*ctx.saved_tensors, do, dfinal_state if ctx.with_state else None, *ctx.settings, wanted)
    return (*(d if want else None for d, want in zip(out, wanted)), *(None,) * 5)


gla_forward.register_autograd(_backward, setup_context=_setup_context)
