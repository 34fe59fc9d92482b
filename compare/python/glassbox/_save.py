# SPDX-License-Identifier: Apache-2.0
"""A case as an npz file that the program glassbox reads: bfloat16 as uint16 words under NAME_bf16, 8-bit floats as
uint8 under NAME_f8_e4m3 and NAME_f8_e5m2, settings in the member metadata.json."""

import hashlib
import json
import zipfile

import numpy as np

from . import _library as c
from ._arrays import to_values
from ._problem import Problem, by_name

DTYPES = {"binary64": np.float64, "binary32": np.float32, "f16": np.float16}


# Of the 8-bit formats: fraction bits, exponent bias, the code of the greatest value (infinity in e5m2), that of NaN.
NARROW = {"e4m3": (3, 7, 0x7E, 0x7F), "e5m2": (2, 15, 0x7C, 0x7E)}


def _narrow_words(values, form):
    """The codes of values that are exact in an 8-bit format."""
    fraction, bias, last, nan = NARROW[form]
    codes = np.arange(last + 1)
    exponent, rest = codes >> fraction, codes & (1 << fraction) - 1
    magnitudes = np.where(exponent > 0, np.ldexp(1 + rest / (1 << fraction), exponent - bias),
                          np.ldexp(rest / (1 << fraction), 1 - bias))
    if form == "e5m2":
        magnitudes[-1] = np.inf
    found = np.searchsorted(magnitudes, np.abs(values)).clip(0, last)
    words = np.where(np.isnan(values), nan, found) | np.signbit(values) << 7
    return words.astype(np.uint8)


def _stored(name, values, form):
    """(member name, array) of values that are exact in the format."""
    if form == "bf16":
        return name + "_bf16", (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    if form in NARROW:
        return f"{name}_f8_{form}", _narrow_words(values, form)
    return name, values.astype(DTYPES[form])


def _members(inputs, outputs, mechanism):
    problem = Problem(inputs, mechanism=mechanism)
    for name, values in problem.values.items():
        yield _stored(problem.inputs.get(name, (name,))[0], values, problem.formats[name])
    if problem.cu_seqlens is not None:
        yield "cu_seqlens", problem.cu_seqlens
    for name, x in by_name(outputs, "outputs", mechanism).items():
        if x is not None:
            yield _stored(problem.outputs.get(name, (name,))[0], *to_values(x, name))


def _settings(inputs, mechanism):
    problem = Problem(inputs, mechanism=mechanism)
    settings = {"mechanism": mechanism, "layout": "BTHD", "gate_domain": "natural log",
                "reverse": "true" if problem.reverse else "false"}
    if problem.scale:
        settings["scale"] = repr(problem.scale)
    return settings


def save(path, inputs, outputs=(), mechanism="gla"):
    """Write inputs and outputs under test into an npz file: `glassbox check PATH` judges it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps(_settings(inputs, mechanism)))
        for name, array in _members(inputs, dict(outputs), mechanism):
            with archive.open(name + ".npy", "w") as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)


def digest(inputs, outputs, mechanism="gla"):
    """Eight hexadecimal digits that name this case."""
    total = hashlib.sha256(json.dumps(_settings(inputs, mechanism)).encode())
    for name, array in _members(inputs, outputs, mechanism):
        total.update(name.encode())
        total.update(array.tobytes())
    return total.hexdigest()[:8]
