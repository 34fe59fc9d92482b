# SPDX-License-Identifier: Apache-2.0
"""The reference as a torch.autograd.Function. Imported only where torch is."""

import torch

from ._reference import GRADIENTS, values_of

ORDER = tuple(GRADIENTS)


def _tensor(values, like, dtype=None):
    return torch.from_numpy(values).to(device=like.device, dtype=dtype or like.dtype)


class _Reference(torch.autograd.Function):
    @staticmethod
    def forward(ctx, settings, *tensors):
        ctx.settings = settings
        ctx.save_for_backward(*tensors)
        values = values_of({**settings, **dict(zip(ORDER, tensors))}, backward=False)
        q = tensors[0]
        wide = torch.float64 if q.dtype == torch.float64 else torch.float32
        return _tensor(values["o"], q), _tensor(values["final_state"], q, wide)

    @staticmethod
    def backward(ctx, do, dfinal_state):
        tensors = ctx.saved_tensors
        given = {**ctx.settings, **dict(zip(ORDER, tensors)), "do": do, "dfinal_state": dfinal_state}
        values = values_of(given, backward=True)
        return (None, *(None if x is None else _tensor(values[GRADIENTS[name]], x) for name, x in zip(ORDER, tensors)))


def apply(settings, tensors):
    return _Reference.apply(settings, *(tensors[name] for name in ORDER))
