# SPDX-License-Identifier: Apache-2.0
"""glassbox._cuda beside the header it mirrors, and the library where one was built. Needs no GPU and no torch."""

import ctypes
import itertools
import pathlib
import re
import subprocess

import pytest

import glassbox
from glassbox import _cuda

HEADER = pathlib.Path(__file__).resolve().parents[3] / "fast" / "cuda" / "gla_cuda.h"
STRUCTURES = {"gla_cuda_tensor": _cuda.Tensor, "gla_cuda_problem": _cuda.Problem, "gla_cuda_call": _cuda.Call}


def test_the_structures_are_the_headers(tmp_path):
    """Every field at its place and of its size, and none left out."""
    lines, want = [], []
    for name, structure in STRUCTURES.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        want.append(f"{name} {ctypes.sizeof(structure)}")
        for field, _ in structure._fields_:
            at = getattr(structure, field)
            lines.append(f'printf("{name}.{field} %zu %zu\\n", offsetof({name}, {field}), sizeof(x_{name}.{field}));')
            want.append(f"{name}.{field} {at.offset} {at.size}")
    every = "".join(f"{name} x_{name};\n" for name in STRUCTURES)
    (tmp_path / "x.c").write_text(f'#include "{HEADER}"\n#include <stdio.h>\n{every}int main(void) {{ '
                                  f'{" ".join(lines)} printf("%d\\n", GLA_CUDA_ABI); return 0; }}\n')
    subprocess.run(["cc", str(tmp_path / "x.c"), "-o", str(tmp_path / "x")], check=True)
    said = subprocess.run([str(tmp_path / "x")], capture_output=True, text=True, check=True).stdout.split("\n")
    assert said[:-2] == want and said[-2] == str(_cuda.ABI)
    body = re.search(r"typedef struct gla_cuda_problem \{(.*?)\} gla_cuda_problem;", HEADER.read_text(), re.S).group(1)
    lines = re.findall(r"^ +(?:const )?\w+ \*?([\w, ]+);", body, re.M)
    fields = [field for words in lines for field in words.split(", ")]
    assert fields == [field for field, _ in _cuda.Problem._fields_]


def test_the_enumerations_are_the_headers():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    for enum, values in (("dtype", ("F32", "F16", "BF16")),
                         ("status", ("OK", "NO_DEVICE", "WRONG_DEVICE", "UNSUPPORTED", "BAD_ARGUMENT",
                                     "SMALL_WORKSPACE", "LAUNCH"))):
        names = re.search(rf"enum gla_cuda_{enum} \{{(.*?)\}}", text, re.S).group(1).replace("GLA_CUDA_", "")
        assert [name.strip() for name in names.strip(", \n").split(",")] == list(values)
        assert [getattr(_cuda, name) for name in values] == list(range(len(values)))
    grades = re.search(r"enum gla_cuda_grade \{(.*?)\}", text, re.S).group(1).replace("GLA_CUDA_", "").lower()
    assert [name.strip() for name in grades.split(",")] == [*_cuda.GRADES, "grades"]
    assert list(_cuda.GRADES.values()) == list(range(len(_cuda.GRADES)))


@pytest.fixture
def library():
    try:
        return _cuda.library()
    except glassbox.GlassboxError as error:
        pytest.skip(str(error))


def test_rungs_have_names(library):
    assert _cuda.rungs()["best"] == 0 and {"recurrent", "fused"} <= set(_cuda.rungs())
    with pytest.raises(glassbox.GlassboxError, match="no rung 'slow'; there are: best, "):
        _cuda.rung_number("slow")


def test_the_librarys_reasons_are_raised(library):
    problem, call = _cuda.Problem(B=1, T=1, H=1, dk=1, dv=1, N=1), _cuda.Call(rung=_cuda.rung_number("recurrent"))
    with pytest.raises(glassbox.GlassboxError, match="^gla, backward: q is missing$"):
        _cuda.workspace(problem, call, True)
    problem.N = 2
    with pytest.raises(glassbox.GlassboxError, match="^gla, forward: N must be B without cu_seqlens$"):
        _cuda.enqueue(problem, call, False)


def test_rungs_declare_profiles(library):
    assert _cuda.profile("best", _cuda.BF16, 0) is None and _cuda.profile("fused", _cuda.F32, 0) is None
    case = glassbox.generate("mild", dtype="bf16", T=70, H=1, dk=16, dv=16)
    right = {name: glassbox.round_to(x, "binary32") for name, x in vars(glassbox.truth(**case.inputs)).items()
             if name in ("o", "dq")}
    for rung, grade in itertools.product(("recurrent", "chunkwise", "fused"), _cuda.GRADES):
        for backward in (0, 1):
            profile = _cuda.profile(rung, _cuda.BF16, backward, grade)
            assert case.check(right, profile).passed, (rung, backward)
            assert profile["like"] == ("f32" if rung == "recurrent" else "chunk-bf16")
    assert _cuda._neighbour("chunkwise-paired:64") == "chunkwise-paired:64:77"
    assert _cuda._neighbour("chunkwise-paired:64:11") == "chunkwise-paired:64:12"
    assert _cuda._neighbour("chunkwise-paired:64+precise") == "chunkwise-paired:64:77+precise"
    assert _cuda._neighbour("chunkwise-centred:64:16") == ""


@pytest.mark.parametrize("status, kind", [(_cuda.NO_DEVICE, RuntimeError), (_cuda.WRONG_DEVICE, RuntimeError),
                                          (_cuda.LAUNCH, RuntimeError), (_cuda.UNSUPPORTED, glassbox.GlassboxError)])
def test_the_machines_failures_are_no_wrong_arguments(status, kind):
    with pytest.raises(kind, match="^gla, forward: because$") as caught:
        _cuda._heed(status, _cuda.Call(why=b"because"), False)
    assert type(caught.value) is kind


def test_another_version_is_refused(tmp_path, monkeypatch):
    (tmp_path / "other.c").write_text("int gla_cuda_abi(void) { return 0; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(tmp_path / "other.so"), str(tmp_path / "other.c")], check=True)
    monkeypatch.setenv("GLASSBOX_CUDA_LIBRARY", str(tmp_path / "other.so"))
    _cuda.library.cache_clear()
    with pytest.raises(glassbox.GlassboxError, match="speaks version 0, this package version"):
        _cuda.library()
    _cuda.library.cache_clear()


def test_a_missing_library_is_said(monkeypatch):
    monkeypatch.setenv("GLASSBOX_CUDA_LIBRARY", "/nowhere/libglassbox_cuda.so")
    _cuda.library.cache_clear()
    with pytest.raises(glassbox.GlassboxError, match="cannot load libglassbox_cuda.so: /nowhere.*make cuda"):
        _cuda.library()
    _cuda.library.cache_clear()
