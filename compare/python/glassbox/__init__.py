# SPDX-License-Identifier: Apache-2.0
"""Glassbox: certified truth and verdicts for Gated Linear Attention kernels.

    import glassbox
    glassbox.assert_accurate("gla", inputs, outputs)     # dictionaries of arrays: q k v g ... and o dq dk ...

Arrays are numpy's, torch's (any device), JAX's, or anything with __dlpack__ or __array__. Layout [B,T,heads,D], states
[N,heads,dk,dv]; gates are natural logarithms, g <= 0. The dtype of an output chooses the profile, the arithmetic that
is expected of it: bfloat16 chunk-bf16, float16 chunk-f16, else f32; name another with profile=.
"""

from ._cases import Case, families, generate
from ._library import GlassboxError, names
from ._oracle import Report, Truth, assert_accurate, check, round_to, truth
from ._reference import reference, vjp
from ._save import save

__all__ = ["Case", "GlassboxError", "Report", "Truth", "assert_accurate", "check", "families", "generate", "names",
           "reference", "round_to", "save", "truth", "vjp"]
