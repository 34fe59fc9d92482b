# SPDX-License-Identifier: Apache-2.0
"""Gated Linear Attention on NVIDIA GPUs for PyTorch: the kernels of fast/cuda by their C interface.

    from glassbox.torch import gla
    o, final_state = gla(q, k, v, g)                     # [B,T,H,D]; log gates g <= 0; differentiable

    S_t = diag(e^g_t) S_{t-1} + k_t v_t^T                decay, then write
    o_t = scale S_t^T q_t                                then read

Work goes to torch's current stream and memory comes from its allocator; nothing synchronises, so a call can be captured
into a CUDA graph (after one call outside of it). torch.compile sees two opaque operators,
torch.ops.glassbox.gla_forward and gla_backward. A plain call goes around them, and what its tensors' layout decides is
worked out once and kept, so that the host is ahead of the GPU. Nothing is compiled at run time.
Imported only where torch is, 2.4 or later.
"""

import functools
from typing import List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from . import _cuda
from ._library import GlassboxError

__all__ = ["gla"]

DEVICE = "cuda"
DTYPES = {torch.float32: _cuda.F32, torch.float16: _cuda.F16, torch.bfloat16: _cuda.BF16}
AUTOMATIC = -1  # segment, as the operators take it
HEADS_AT_ONCE = 64  # in the backward: fewer leave a large GPU idle, more need more memory for the states of all chunks
PLANS = 1024  # layouts that are kept


def gla(q, k, v, g=None, *, scale=None, initial_state=None, output_final_state=False, cu_seqlens=None, rung="best",
        grade="fast", segment=None):
    """(o, final_state), differentiable with respect to q, k, v, g and initial_state; final_state is None unless
    output_final_state.

    q, k, g         [B,T,h,dk], v [B,T,h,dv]. bfloat16, float16 or float32, q k v alike; g that or float32. g is the
                    natural logarithm of the decay, g <= 0, -inf an exact reset; None: no decay. Every h divides H, the
                    largest: head i of H reads head i // (H / h), and the gradient of a shared head is the group's sum
    initial_state   [N,h,dk,dv], float32 or q's dtype; None: zeros. N is B, or that of cu_seqlens
    scale           multiplies q; dk^(-1/2) if None
    cu_seqlens      [N+1], int64 or int32, on the GPU, 0 ... T: B is 1 and holds N sequences one behind the other
    rung            "best", or a kernel of fast/cuda by name: "recurrent", "fused", ... ; the backward runs on it too
    grade           "fast", or "precise": within a chunk of tokens the operands of bf16 and f16 matrix products have twice
                    the bits. It costs time; the rungs in float32 are as precise anyway
    segment         sequences longer than so many tokens, a multiple of 64, are cut and their parts run side by side:
                    other roundings, more blocks. 0: no cut. None: 0, but 2048 where N H < 64 and T >= 4096, and 4096
                    where T >= 65536 besides. That depends on shapes alone; name it for bits that N and H leave alone
    returns         o [B,T,H,dv] in q's dtype, final_state [N,H,dk,dv] in float32

    A tensor whose rows do not begin on 16 bytes, or are not dense, is copied. The backward works through some 64 heads
    of the batch at a time, to save memory; the bits do not depend on it. Raises ValueError for what cannot be right or
    is not supported, RuntimeError without a GPU that the rung runs on. How wrong the results are, and how quickly they
    come, beside others': fast/cuda/NOTES.md.
    """
    if scale is not None and scale == 0:
        raise GlassboxError("gla: scale is 0: every output would be 0")
    if segment is not None and segment < 0:
        raise GlassboxError(f"gla: segment is {segment}; wanted a multiple of 64, or 0 for no cut")
    if initial_state is not None and initial_state.dtype == q.dtype:
        initial_state = initial_state.float()
    if cu_seqlens is not None and cu_seqlens.dtype == torch.int32:
        cu_seqlens = cu_seqlens.to(torch.int64)
    inputs = q, k, v, g, initial_state, cu_seqlens
    settings = float(scale or 0), output_final_state, rung, grade, AUTOMATIC if segment is None else segment
    if _needs_operators(q):
        _check(*inputs)
        o, final_state = gla_forward(*inputs, *settings)
    elif torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in inputs):
        o, final_state = _Gla.apply(*inputs, *settings)
    else:
        o, final_state = _forward(*inputs, *settings)
    return o, final_state if output_final_state else None


def _needs_operators(x):
    """Is x no memory, but something that torch is following: a compilation, a transform, a subclass?"""
    return (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
            or type(x) not in (Tensor, torch.nn.Parameter))


# ---- shapes ----


class _Layout(NamedTuple):
    """Of a tensor: all but where it lies."""

    shape: Tuple[int, ...]
    stride: Tuple[int, ...]
    dtype: torch.dtype
    device: torch.device


def _layout(x):
    return None if x is None else _Layout(x.shape, x.stride(), x.dtype, x.device)


def _sizes(q, k, v, g, initial_state, cu_seqlens):
    """B, T, H, dk, dv, N; of tensors or layouts."""
    heads = [x.shape[2] for x in (q, k, v, g) if x is not None]
    if initial_state is not None:
        heads.append(initial_state.shape[1])
    B, T, _, dk = q.shape
    return B, T, max(heads), dk, v.shape[3], B if cu_seqlens is None else cu_seqlens.shape[0] - 1


def _check_one(name, x, axes, shape, like, dtypes):
    """shape: sizes that must be, None for any."""
    if len(x.shape) != len(shape) or any(want not in (None, have) for want, have in zip(shape, x.shape)):
        wanted = ", ".join(axis if size is None else str(size) for axis, size in zip(axes, shape))
        raise GlassboxError(f"gla: {name} has shape {list(x.shape)}; wanted [{wanted}]")
    if x.device != like.device or x.device.type != DEVICE:
        wanted = like.device if like.device.type == DEVICE else DEVICE
        raise GlassboxError(f"gla: {name} is on {x.device}; move it to {wanted}")
    if x.dtype not in dtypes:
        raise GlassboxError(f"gla: {name} is {x.dtype}; it must be {' or '.join(str(d) for d in dtypes)}")


def _check(q, k, v, g, initial_state, cu_seqlens):
    """Tensors or layouts."""
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


def _parts(heads, T):
    """How many the backward works through one after the other: each holds the states of its chunks in memory, and each
    costs the time of a sequence's chunks, one behind the other."""
    return max(heads // HEADS_AT_ONCE, 2 if heads >= HEADS_AT_ONCE // 2 and T <= 4096 else 1)


# ---- memory ----


def _padded(shape, dtype):
    """So much wider that rows begin on 16 bytes."""
    step = 16 // dtype.itemsize
    return *shape[:3], -(-shape[3] // step) * step


def _readable(x):
    """x itself if its rows are dense and begin on 16 bytes, else such a copy."""
    if x is None or x.dim() != 4:
        return x
    step, aligned = 16 // x.dtype.itemsize, x.data_ptr() % 16 == 0
    if aligned and x.shape[3] % step == 0 and x.is_contiguous():
        return x
    dense = x.stride(3) == 1 or x.shape[3] == 1
    if aligned and dense and all(n == 1 or s % step == 0 for n, s in zip(x.shape[:3], x.stride())):
        return x
    return x.new_empty(_padded(x.shape, x.dtype))[..., :x.shape[3]].copy_(x)


class _current_stream(torch.cuda.device):
    """The device, current meanwhile; enters as its current stream, by CUDA's name."""

    def __enter__(self):
        super().__enter__()
        return torch.cuda.current_stream(self.idx).cuda_stream


# ---- calls ----


class _Plan:
    """What calls have in common whose tensors are laid out alike: all but addresses."""

    def __init__(self, backward, inputs, cu_seqlens, wanted, scale, rung, grade, segment):
        """inputs: layouts, in the order of _cuda.INPUTS; wanted: outputs, by name."""
        _check(*inputs[:5], cu_seqlens)
        q, k, v, g, initial_state = inputs[:5]
        B, T, H, dk, dv, N = _sizes(*inputs[:5], cu_seqlens)
        self.backward, self.device, self.workspace = backward, q.device, None
        self.problem = _cuda.Problem(B=B, T=T, H=H, dk=dk, dv=dv, N=N, scale=scale)
        self.call = _cuda.Call(rung=_cuda.rung_number(rung), grade=_cuda.grade_number(grade),
                               segment=_segment(segment, N, H, T), parts=_parts(N * H, T) if backward else 1)
        for name, x in zip(_cuda.INPUTS, inputs):
            if x is not None:
                self._describe(name, x.shape, x.stride, x.dtype)
        like = {"dq": q, "dk_": k, "dv_": v, "dg": g, "dinitial_state": initial_state}
        shapes = {"o": ((B, T, H, dv), q.dtype), "final_state": ((N, H, dk, dv), torch.float32),
                  **{name: (x.shape, x.dtype) for name, x in like.items() if x is not None}}
        self.outputs = [(name, *shapes[name], _padded(*shapes[name])) for name in wanted]
        for name, shape, dtype, (_, b, c, d) in self.outputs:
            self._describe(name, shape, (b * c * d, c * d, d), dtype)

    def _describe(self, name, shape, stride, dtype):
        field = getattr(self.problem, name)
        field.dtype, field.stride[:] = DTYPES[dtype], stride[:3]
        field.heads = shape[1 if name.endswith("state") else 2]

    def run(self, inputs, cu_seqlens):
        """The outputs, enqueued. The plan itself stays as it is: another thread may be running it."""
        problem, call = _cuda.Problem.from_buffer_copy(self.problem), _cuda.Call.from_buffer_copy(self.call)
        outputs = [inputs[0].new_empty(padded, dtype=dtype) for _, _, dtype, padded in self.outputs]
        for name, x in zip(_cuda.INPUTS, inputs):
            if x is not None:
                getattr(problem, name).data = x.data_ptr()
        for (name, *_), x in zip(self.outputs, outputs):
            getattr(problem, name).data = x.data_ptr()
        if cu_seqlens is not None:
            problem.cu_seqlens = cu_seqlens.data_ptr()
        with _current_stream(self.device) as call.stream:
            if self.workspace is None:
                self.workspace = _cuda.workspace(problem, call, self.backward)
            if self.workspace:
                held = inputs[0].new_empty(self.workspace, dtype=torch.uint8)  # until all is enqueued
                call.workspace, call.workspace_size = held.data_ptr(), self.workspace
            _cuda.enqueue(problem, call, self.backward)
        return [x if shape == padded else x[..., :shape[3]].contiguous()
                for (_, shape, _, padded), x in zip(self.outputs, outputs)]


_plan = functools.lru_cache(PLANS)(_Plan)


def _run(backward, inputs, cu_seqlens, wanted, *settings):
    inputs = [_readable(x) for x in inputs]
    cu_seqlens = None if cu_seqlens is None else cu_seqlens.contiguous()
    layouts = tuple([_layout(x) for x in inputs])
    return _plan(backward, layouts, _layout(cu_seqlens), wanted, *settings).run(inputs, cu_seqlens)


def _forward(q, k, v, g, initial_state, cu_seqlens, scale, with_state, *settings):
    """o and, with_state, final_state, else None."""
    out = _run(False, (q, k, v, g, initial_state), cu_seqlens, ("o", "final_state")[:1 + with_state], scale, *settings)
    return out[0], out[1] if with_state else None


GRADIENTS = ("dq", "dk_", "dv_", "dg", "dinitial_state")


def _gradients(q, k, v, g, initial_state, cu_seqlens, do, dfinal_state, scale, rung, grade, segment, wanted):
    """dq dk dv dg dinitial_state in the dtypes of their tensors, None where not wanted."""
    names = tuple([name for name, want in zip(GRADIENTS, wanted) if want])
    inputs = q, k, v, g, initial_state, do, dfinal_state
    out = iter(_run(True, inputs, cu_seqlens, names, scale, rung, grade, segment))
    return tuple([next(out) if want else None for want in wanted])


# ---- operators ----


@torch.library.custom_op("glassbox::gla_forward", mutates_args=())
def gla_forward(q: Tensor, k: Tensor, v: Tensor, g: Optional[Tensor], initial_state: Optional[Tensor],
                cu_seqlens: Optional[Tensor], scale: float, with_state: bool, rung: str, grade: str, segment: int
                ) -> Tuple[Tensor, Tensor]:
    """o and final_state, which is empty unless with_state."""
    o, final_state = _forward(q, k, v, g, initial_state, cu_seqlens, scale, with_state, rung, grade, segment)
    return o, final_state if with_state else q.new_empty(0, dtype=torch.float32)


@gla_forward.register_fake
def _(q, k, v, g, initial_state, cu_seqlens, scale, with_state, rung, grade, segment):
    B, T, H, dk, dv, N = _sizes(q, k, v, g, initial_state, cu_seqlens)
    state = (N, H, dk, dv) if with_state else (0,)
    return q.new_empty((B, T, H, dv)), q.new_empty(state, dtype=torch.float32)


@torch.library.custom_op("glassbox::gla_backward", mutates_args=())
def gla_backward(q: Tensor, k: Tensor, v: Tensor, g: Optional[Tensor], initial_state: Optional[Tensor],
                 cu_seqlens: Optional[Tensor], do: Optional[Tensor], dfinal_state: Optional[Tensor], scale: float,
                 rung: str, grade: str, segment: int, wanted: List[bool]
                 ) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """dq dk dv dg dinitial_state in the dtypes of their tensors; empty where not wanted."""
    out = _gradients(q, k, v, g, initial_state, cu_seqlens, do, dfinal_state, scale, rung, grade, segment, wanted)
    return tuple(q.new_empty(0) if d is None else d for d in out)


@gla_backward.register_fake
def _(q, k, v, g, initial_state, cu_seqlens, do, dfinal_state, scale, rung, grade, segment, wanted):
    return tuple(x.new_empty(x.shape) if want else q.new_empty(0)
                 for x, want in zip((q, k, v, g, initial_state), wanted))


def _keep(ctx, inputs, output):
    ctx.set_materialize_grads(False)
    *tensors, scale, ctx.with_state, rung, grade, segment = inputs
    ctx.save_for_backward(*tensors)
    ctx.settings = scale, rung, grade, segment


def _back(ctx, do, dfinal_state, gradients=gla_backward):
    wanted = list(ctx.needs_input_grad[:5])
    out = gradients(*ctx.saved_tensors, do, dfinal_state if ctx.with_state else None, *ctx.settings, wanted)
    return (*(d if want else None for d, want in zip(out, wanted)), *(None,) * 6)


gla_forward.register_autograd(_back, setup_context=_keep)


class _Gla(torch.autograd.Function):
    """The two without the operators around them, which take the host longer than all the rest does."""

    @staticmethod
    def forward(ctx, *inputs):
        _keep(ctx, inputs, None)
        return _forward(*inputs)

    @staticmethod
    def backward(ctx, do, dfinal_state):  # the operator refuses to be differentiated again
        return _back(ctx, do, dfinal_state, gla_backward if torch.is_grad_enabled() else _gradients)
