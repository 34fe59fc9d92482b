# SPDX-License-Identifier: Apache-2.0
"""A case as an npz file that the program glassbox reads: bfloat16 as uint16 words under NAME_bf16, settings in the
member metadata.json."""

import hashlib
import json
import zipfile

import numpy as np

from . import _library as c
from ._arrays import to_values
from ._problem import Problem, by_name

DTYPES = {"binary64": np.float64, "binary32": np.float32, "f16": np.float16}


def _stored(name, values, form):
    """(member name, array) of values that are exact in the format."""
    if form == "bf16":
        return name + "_bf16", (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    if form not in DTYPES:
        raise c.GlassboxError(f"{name}: {form} is not saved; convert it to float16, which holds the same values")
    return name, values.astype(DTYPES[form])


def _members(inputs, outputs):
    problem = Problem(inputs)
    for name, values in problem.values.items():
        yield _stored(name, values, problem.formats[name])
    if problem.cu_seqlens is not None:
        yield "cu_seqlens", problem.cu_seqlens
    for name, x in by_name(outputs, c.names("outputs"), "output").items():
        if x is not None:
            yield _stored(name, *to_values(x, name))


def _settings(inputs):
    problem = Problem(inputs)
    settings = {"mechanism": "gla", "layout": "BTHD", "gate_domain": "natural log",
                "reverse": "true" if problem.reverse else "false"}
    if problem.scale:
        settings["scale"] = repr(problem.scale)
    return settings


def save(path, inputs, outputs=()):
    """Write inputs and outputs under test into an npz file: `glassbox check PATH` judges it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps(_settings(inputs)))
        for name, array in _members(inputs, dict(outputs)):
            with archive.open(name + ".npy", "w") as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)


def digest(inputs, outputs):
    """Eight hexadecimal digits that name this case."""
    total = hashlib.sha256(json.dumps(_settings(inputs)).encode())
    for name, array in _members(inputs, outputs):
        total.update(name.encode())
        total.update(array.tobytes())
    return total.hexdigest()[:8]
