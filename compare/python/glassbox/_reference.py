# SPDX-License-Identifier: Apache-2.0
"""The truth in the place of a naive function: same call, same types out, and gradients."""

import numpy as np

from . import _library as c
from ._arrays import is_torch, to_values
from ._problem import Problem

# Proven to the last bit of binary64 but one, which is enough for a reference and spares the climb (compare/truth.h).
CLOSE_ENOUGH = 2.0 ** -52
GRADIENTS = {name: "d" + name for name in ("q", "k", "v", "g", "gv", "initial_state")}


def values_of(inputs, backward):
    """Outputs by name, float64, right to its last bit but one; inputs has the setting mechanism too."""
    given = dict(inputs)
    mechanism = given.pop("mechanism")
    return Problem(given, mechanism=mechanism, backward=backward).truth("binary64", CLOSE_ENOUGH, 0)[0]


def _like(x, values):
    """The values in the dtype of the array x; numpy's dtypes alone."""
    dtype = getattr(x, "dtype", np.dtype(np.float64))
    return values.astype(dtype if getattr(dtype, "kind", "") == "f" else np.float64)


def _state_like(q, values):
    """States are kept in float32, or in float64 beside a float64 q."""
    return values.astype(np.float64 if to_values(q, "q")[1] == "binary64" else np.float32)


def reference(q, k, v, g=None, *, gv=None, initial_state=None, scale=None, cu_seqlens=None, reverse=False,
              output_final_state=False, mechanism="gla", **more):
    """(o, final_state) as a naive function would return them, final_state None unless asked for; o has q's dtype.
    more: other inputs of the mechanism, beta ...
    Of torch tensors it returns torch tensors on the same device, and is differentiable."""
    settings = dict(scale=scale, cu_seqlens=cu_seqlens, reverse=reverse, mechanism=mechanism)
    tensors = dict(q=q, k=k, v=v, g=g, gv=gv, initial_state=initial_state, **more)
    if is_torch(q):
        from ._torch import apply

        o, state = apply(settings, tensors)
    else:
        values = values_of({**settings, **tensors}, backward=False)
        o, state = _like(q, values["o"]), _state_like(q, values["final_state"])
    return o, state if output_final_state else None


def vjp(q, k, v, g=None, *, gv=None, initial_state=None, scale=None, cu_seqlens=None, reverse=False,
        mechanism="gla", **more):
    """((o, final_state), pullback) for numpy: pullback(do, dfinal_state=None) -> {"q": dq, "k": dk, ...}, a gradient
    for every tensor that was given, in its dtype."""
    settings = dict(scale=scale, cu_seqlens=cu_seqlens, reverse=reverse, mechanism=mechanism)
    tensors = dict(q=q, k=k, v=v, g=g, gv=gv, initial_state=initial_state, **more)

    def pullback(do=None, dfinal_state=None):
        if do is None and dfinal_state is None:
            raise c.GlassboxError("pullback needs do or dfinal_state")
        values = values_of({**settings, **tensors, "do": do, "dfinal_state": dfinal_state}, backward=True)
        return {name: _like(x, values["d" + name]) for name, x in tensors.items() if x is not None}

    return reference(**tensors, **settings, output_final_state=True), pullback
