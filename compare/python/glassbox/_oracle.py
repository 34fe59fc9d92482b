# SPDX-License-Identifier: Apache-2.0
"""Truth, verdicts and the assertion."""

import ctypes
import os
import pathlib
import re
import types

import numpy as np

from . import _library as c
from ._arrays import to_values
from ._problem import Problem, by_name, four_axes
from ._profile import as_text, is_file
from ._save import digest, save


class Truth(types.SimpleNamespace):
    """Outputs by name, t.o, t.final_state, t.dq ..., and beside each the same name in
    t.lo         what the value leaves of the truth: value + lo has about 50 bits more than the target
    t.magnitude  the same formula on absolute values
    t.certified  where the value is proven to be the correctly rounded truth
    Iterating gives the names of the outputs."""

    def __iter__(self):
        return iter(vars(self.lo))

    def __getitem__(self, name):
        return getattr(self, name)


def truth(q=None, k=None, v=None, g=None, *, scale=None, cu_seqlens=None, reverse=False, target="binary64",
          allow_growth=False, threads=0, mechanism="gla", **more):
    """The certified truth of every output, rounded once into the format `target`; gradients where do or that of a
    final state is given. mechanism: a name of glassbox.names("mechanisms"), its schedule or its conventions behind it,
    "retention:linspace", "mlstm,gate=sigmoid" (glassbox list --conventions). more: its other inputs, gv initial_state do
    dfinal_state beta ...; by its own names (of Mamba: C B x dt ...) or the usual ones."""
    _known_mechanism(mechanism)
    given = {name: x for name, x in dict(q=q, k=k, v=v, g=g).items() if x is not None}
    inputs = {**given, **more, "scale": scale, "cu_seqlens": cu_seqlens, "reverse": reverse}
    incoming = by_name({name: x for name, x in more.items() if x is not None}, "inputs", mechanism)
    backward = any(name in incoming for name in ("do", "dfinal_state", "dfinal_n", "dfinal_keys"))
    problem = Problem(inputs, mechanism=mechanism, backward=backward, allow_growth=allow_growth)
    value, low, magnitude, certified = problem.truth(target, 0.0, threads)
    proven = {name: x == 1 for name, x in certified.items()}
    return Truth(**value, lo=types.SimpleNamespace(**low), magnitude=types.SimpleNamespace(**magnitude),
                 certified=types.SimpleNamespace(**proven))


def round_to(x, target):
    """x rounded into the format `target`, to nearest even, as float64."""
    values = np.array(to_values(x, "x")[0])
    c.call(c.library().glassbox_round, target.encode(), values.ctypes.data, values.size)
    return values


class Report:
    """A verdict. str() of it says everything; truth value: did it pass?

    verdict   PASS MARGINAL UNCERTIFIED FAIL BROKEN, the worst of the outputs
    profile   the arithmetic that was declared
    tensors   by output: verdict, elements, nan, inf, over, marginal, uncertified, exact, worst (error / bound),
              worst_at, got, want, allowed, first_bad, rms_error, rms_truth, loosest, says_little, tier, scattered,
              rms_z, rms_z_limit, bias, bias_limit, replayed, differing, differing_zeros, first_differing, ulps
              (glassbox.names("fields") says what each is)
    """

    def __init__(self, verdict, profile, tensors, text):
        self.verdict, self.profile, self.tensors, self.text = verdict, profile, tensors, text

    @property
    def passed(self):
        return self.verdict in ("PASS", "MARGINAL")

    def __bool__(self):
        return self.passed

    def __str__(self):
        return self.text

    def __repr__(self):
        return f"<glassbox.Report {self.verdict}, profile {self.profile}>"


COUNTS = ("elements", "nan", "inf", "over", "marginal", "uncertified", "exact", "says_little", "tier", "scattered",
          "replayed", "differing", "differing_zeros")


def _tensor(fields):
    """The fields of one output with its indices as tuples and its counts as integers."""
    out = {}
    for name, x in fields.items():
        base, _, axis = name.rpartition("_")
        if axis.isdigit():
            out[base] = out.get(base, ()) + (int(x),)
        elif name != "judged":
            out[name] = int(x) if name in COUNTS else x
    out["verdict"] = list(c.names("verdicts"))[int(out["verdict"])]
    for name in ("first_bad", "first_differing"):
        if out[name][0] < 0:
            out[name] = None
    return types.SimpleNamespace(**out)


def _outputs(outputs, mechanism):
    """(values, formats, bits of those expected but None), in C's order."""
    order, own = list(c.names("outputs")), c.tensors("outputs", mechanism)
    given = by_name(outputs, "outputs", mechanism)
    values, formats, missing = [None] * len(order), [None] * len(order), 0
    for i, name in enumerate(order):
        if name in given and given[name] is None:
            missing |= 1 << i
        elif name in given:
            values[i], formats[i] = to_values(given[name], name)
            values[i] = four_axes(values[i], *own.get(name, (name, 0, 0))[1:])
            if values[i].ndim > 4:
                raise c.GlassboxError(f"{name} has shape {values[i].shape}; wanted 4 axes")
    return values, formats, missing


def _known_mechanism(mechanism):
    if re.split("[:@,]", mechanism)[0] not in c.names("mechanisms"):
        raise c.GlassboxError(f"no mechanism '{mechanism}'; known: {', '.join(c.names('mechanisms'))}")


def check(inputs, outputs, profile=None, mechanism="gla", *, replay=None, form=None, allow_growth=False, threads=0):
    """Judge outputs under test against certified truth. Both are dictionaries of arrays:

    inputs   of the mechanism (glassbox list): q k v g gv initial_state do dfinal_state ..., by its own names or the
             usual ones, and the settings scale cu_seqlens reverse
    outputs  o final_state dq dk dv ...; one that is None counts as missing, one absent is not judged
    profile  a name of glassbox.names("profiles"), a JSON file (compare/io/profile_file.h) or a dictionary like one
    replay   a number system ("binary32"): every bit must be what the formulation `form` ("recurrent"; default: the
             profile's) gives in it, beside all else
    """
    _known_mechanism(mechanism)
    problem = Problem(inputs, mechanism=mechanism, allow_growth=allow_growth)
    values, formats, missing = _outputs(outputs, mechanism)
    own, declared = as_text(profile)
    fields = list(c.names("fields"))
    verdict, used = ctypes.c_int(), ctypes.c_char_p()
    numbers = np.zeros((len(values), len(fields)))
    text = c.call(c.library().glassbox_check, *problem.arguments(), c.addresses(values), c.shapes(values),
                  (ctypes.c_char_p * len(values))(*[f and f.encode() for f in formats]), missing,
                  declared and declared.encode(), replay and replay.encode(), form and form.encode(), threads,
                  ctypes.byref(verdict),
                  numbers.ctypes.data_as(ctypes.POINTER(ctypes.c_double)), ctypes.byref(used))
    tensors = {}
    for name, row in zip(c.names("outputs"), numbers.tolist()):
        if row[fields.index("judged")]:
            tensors[problem.outputs[name][0]] = _tensor(dict(zip(fields, row)))
    return Report(list(c.names("verdicts"))[verdict.value], used.value.decode() if used.value else own, tensors, text)


def _reproduce(inputs, outputs, mechanism, options, folder):
    """Leaves the case in a file, if there is a folder for it, and says how to judge it again."""
    name = f"case-{digest(inputs, outputs, mechanism)}.npz"
    line = f"glassbox check {pathlib.Path(folder or 'DIR') / name}{options}"
    if not folder:
        return f"reproduce: set GLASSBOX_SAVE=DIR (pytest --glassbox-save=DIR), run again, then\n  {line}"
    os.makedirs(folder, exist_ok=True)
    save(pathlib.Path(folder) / name, inputs, outputs, mechanism)
    return f"reproduce: {line}"


def assert_accurate(mechanism, inputs, outputs, profile=None, *, replay=None, form=None, strict=False,
                    allow_growth=False, threads=0):
    """Raise AssertionError unless every output is as near to the truth as its declared arithmetic earns; arguments as
    for check. strict: MARGINAL fails too. With the environment variable GLASSBOX_SAVE=DIR a failing case is left there
    as a file for the program glassbox."""
    report = check(inputs, outputs, profile, mechanism, replay=replay, form=form, allow_growth=allow_growth,
                   threads=threads)
    if report.verdict == "PASS" or report.verdict == "MARGINAL" and not strict:
        return report
    named = os.fspath(profile) if is_file(profile) else report.profile
    options = {"profile": named, "replay": replay, "form": form}
    options = "".join(f" --{name} {value}" for name, value in options.items() if value)
    again = _reproduce(inputs, outputs, mechanism, options, os.environ.get("GLASSBOX_SAVE"))
    raise AssertionError(f"{report.text}{again}")
