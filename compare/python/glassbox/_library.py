# SPDX-License-Identifier: Apache-2.0
"""libglassbox.so through ctypes; the calls are those of compare/embed.h. Loaded at first use."""

import ctypes
import functools
import os
import pathlib
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint, c_uint64, c_void_p

ABI = 4
REVERSE, BACKWARD, GROWTH, VALUE_GATE, STATE, VARLEN = 1, 2, 4, 8, 16, 32
LISTS = {"inputs": 0, "outputs": 1, "mechanisms": 2, "profiles": 3, "families": 4, "formats": 5, "verdicts": 6,
         "fields": 7}
TEXT = 1 << 16

Shape = c_int64 * 4
PROBLEM = [c_char_p, POINTER(c_void_p), POINTER(Shape), c_void_p, c_int64, c_double, c_uint]
MESSAGE = [c_char_p, c_size_t]


class GlassboxError(ValueError):
    """What was asked cannot be done: a wrong shape, a gate above 0, an unknown name. No verdict was reached."""


def _places(file, variable):
    here = pathlib.Path(__file__).resolve().parent
    if os.environ.get(variable):
        return [os.environ[variable]]
    beside = [here / file, here.parents[2] / "build" / file]
    return [str(path) for path in beside if path.exists()] + [file]


def open_library(file, variable, hint):
    """The shared object that the environment variable names, else the one beside the package, in the build, or where
    the loader looks; hint ends the error."""
    reasons = []
    for place in _places(file, variable):
        try:
            return ctypes.CDLL(place)
        except OSError as error:
            reasons.append(str(error))
    raise GlassboxError(f"cannot load {file}: {'; '.join(reasons)} ({hint}; {variable} names the file)")


@functools.lru_cache(maxsize=None)
def library():
    lib = open_library("libglassbox.so", "GLASSBOX_LIBRARY", "needs Debian's libmpfr6 and libmpfi0")
    if lib.glassbox_abi() != ABI:
        raise GlassboxError(f"libglassbox.so speaks version {lib.glassbox_abi()}, this package version {ABI}")
    pointers = POINTER(c_void_p)
    lib.glassbox_name.restype = lib.glassbox_about.restype = c_char_p
    lib.glassbox_name.argtypes = lib.glassbox_about.argtypes = [c_int, c_int]
    lib.glassbox_input.restype = lib.glassbox_output.restype = c_char_p
    lib.glassbox_input.argtypes = lib.glassbox_output.argtypes = [c_char_p, c_int, c_int * 2]
    lib.glassbox_shapes.argtypes = PROBLEM + [POINTER(Shape)] + MESSAGE
    lib.glassbox_truth.argtypes = PROBLEM + [c_char_p, c_double, c_int] + [pointers] * 4 + MESSAGE
    lib.glassbox_check.argtypes = PROBLEM + [pointers, POINTER(Shape), POINTER(c_char_p), c_uint, c_char_p, c_char_p,
                                             c_char_p, c_int, POINTER(c_int), POINTER(c_double), POINTER(c_char_p)
                                             ] + MESSAGE
    lib.glassbox_round.argtypes = [c_char_p, c_void_p, c_int64] + MESSAGE
    lib.glassbox_fits.argtypes = [c_char_p, c_char_p]
    lib.glassbox_generate.restype = c_void_p
    lib.glassbox_generate.argtypes = [c_char_p, c_char_p, POINTER(c_int64), c_uint, c_int64, c_uint64, c_char_p] + MESSAGE
    lib.glassbox_case_sizes.restype = None
    lib.glassbox_case_sizes.argtypes = [c_void_p, POINTER(c_int64), POINTER(c_uint), POINTER(c_double)]
    lib.glassbox_case_offsets.restype = POINTER(c_int64)
    lib.glassbox_case_offsets.argtypes = [c_void_p, POINTER(c_int64)]
    lib.glassbox_case_input.restype = POINTER(c_double)
    lib.glassbox_case_input.argtypes = [c_void_p, c_int, Shape]
    lib.glassbox_case_free.restype = None
    lib.glassbox_case_free.argtypes = [c_void_p]
    return lib


@functools.lru_cache(maxsize=None)
def names(what):
    """The names the library knows, each with a line about it: names("profiles") -> {"f32": "recurrent, ...", ...}."""
    if what not in LISTS:
        raise GlassboxError(f"no list '{what}'; there are: {', '.join(LISTS)}")
    lib, found = library(), {}
    while (name := lib.glassbox_name(LISTS[what], len(found))) is not None:
        found[name.decode()] = lib.glassbox_about(LISTS[what], len(found)).decode()
    return found


@functools.lru_cache(maxsize=None)
def tensors(what, mechanism):
    """The inputs or outputs that a mechanism has: {usual name: (its name, axes of 1 that may be left out before the
    others, and behind them)}."""
    ask, found = getattr(library(), {"inputs": "glassbox_input", "outputs": "glassbox_output"}[what]), {}
    for i, usual in enumerate(names(what)):
        axis = (c_int * 2)()
        name = ask(mechanism.encode(), i, axis)
        if name is not None:
            found[usual] = (name.decode(), axis[0], axis[1])
    return found


def call(function, *arguments):
    """Calls a function that ends in (text, room); returns the text, or raises it."""
    text = ctypes.create_string_buffer(TEXT)
    status = function(*arguments, text, TEXT)
    message = text.value.decode()
    if status:
        raise GlassboxError(message.replace("--allow-growth", "allow_growth=True"))
    return message


def addresses(arrays):
    """A C array of pointers to numpy arrays; None is NULL. The arrays must outlive it."""
    return (c_void_p * len(arrays))(*[None if x is None else x.ctypes.data for x in arrays])


def shapes(arrays):
    """A C array of shapes [4]; axes that an array has not are -1."""
    every = [(0,) * 4 if x is None else (tuple(x.shape) + (-1,) * 4)[:4] for x in arrays]
    return (Shape * len(arrays))(*[Shape(*shape) for shape in every])
