# SPDX-License-Identifier: Apache-2.0
"""What is shipped: the wheel, the names in the library, the file for the program."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from kernels import BFloat16, Float8

import glassbox
from glassbox import _library

ROOT = pathlib.Path(__file__).resolve().parents[1]
TREE = ROOT.parents[1]


def build(folder, **environment):
    done = subprocess.run([sys.executable, str(ROOT / "backend.py"), str(folder)], capture_output=True, text=True,
                          env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return pathlib.Path(done.stdout.strip())


def clean_environment():
    return {name: x for name, x in os.environ.items() if not name.startswith(("GLASSBOX", "PYTHONPATH"))}


def test_the_wheel_is_whole_and_the_same_every_time(tmp_path):
    one, two = build(tmp_path / "one"), build(tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as wheel:
        names = set(wheel.namelist())
        record = wheel.read(next(name for name in names if name.endswith("RECORD"))).decode()
    assert {line.split(",")[0] for line in record.splitlines()} == names
    assert {"glassbox/__init__.py", "glassbox/pytest_plugin.py", "glassbox/libglassbox.so"} <= names


def test_the_gpu_kernels_are_inside_where_they_were_built(tmp_path):
    kernels = tmp_path / "kernels.so"
    for there in (False, True):
        if there:
            kernels.write_bytes(b"kernels")
        with zipfile.ZipFile(build(tmp_path, GLASSBOX_CUDA_LIBRARY=str(kernels))) as wheel:
            assert {"glassbox/torch.py", "glassbox/_cuda.py"} <= set(wheel.namelist())
            assert ("glassbox/libglassbox_cuda.so" in wheel.namelist()) == there
            assert not there or wheel.read("glassbox/libglassbox_cuda.so") == b"kernels"


def test_the_wheel_works_in_an_empty_place(tmp_path):
    with zipfile.ZipFile(build(tmp_path)) as wheel:
        wheel.extractall(tmp_path / "site")
    (tmp_path / "test_it.py").write_text(
        "def test_it(glassbox):\n"
        f"    assert glassbox.__file__.startswith({str(tmp_path)!r})\n"
        "    from glassbox import _library\n"
        f"    assert _library.library()._name == {str(tmp_path / 'site' / 'glassbox' / 'libglassbox.so')!r}\n"
        "    case = glassbox.generate('mild')\n"
        "    assert case.check({'o': glassbox.truth(**case.inputs).o})\n")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"], cwd=tmp_path,
                          env={**clean_environment(), "PYTHONPATH": str(tmp_path / "site")}, capture_output=True,
                          text=True)  # the plug-in comes by its entry point
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="no pip")
def test_pip_builds_and_installs_it(tmp_path):
    done = subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps",
                           "--no-build-isolation", "--no-index", "--target", str(tmp_path / "site"), str(ROOT)],
                          capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([sys.executable, "-c", "import glassbox; print(len(glassbox.families()))"], cwd=tmp_path,
                          env={**clean_environment(), "PYTHONPATH": str(tmp_path / "site")}, capture_output=True,
                          text=True)
    assert done.returncode == 0 and int(done.stdout) == len(glassbox.families()), done.stderr


def nm(*options):
    out = subprocess.run(["nm", "-D", *options, _library.library()._name], capture_output=True, text=True, check=True)
    return {line.split()[-1].split("@")[0] for line in out.stdout.splitlines()}


def test_the_library_shows_its_calls_and_no_others():
    header = (TREE / "compare" / "embed.h").read_text()
    calls = set(re.findall(r"^(?:[a-z]\S* )+\*?(glassbox_\w+)\(", header, re.MULTILINE))
    assert len(calls) >= 11 and nm("--defined-only") == calls


def test_the_library_neither_prints_nor_exits():
    forbidden = re.compile(r"(_?exit|_Exit|abort|v?f?printf|__v?f?printf_chk|puts|fputs|fputc|putchar|fwrite|perror|"
                           r"fopen|open|write|stdout|stderr|system|signal|sigaction|__assert_fail)$")
    assert not {name for name in nm("--undefined-only") if forbidden.match(name)}


@pytest.mark.skipif(not os.access(os.environ.get("GLASSBOX", ""), os.X_OK), reason="GLASSBOX names no program")
@pytest.mark.parametrize("dtype, form", [("float8_e4m3fn", "e4m3"), ("float8_e5m2", "e5m2")])
def test_8_bit_floats_are_saved(tmp_path, dtype, form):
    case = glassbox.generate("mild", T=20)
    wide = np.ldexp(np.linspace(-2, 2, case.inputs["q"].size), np.arange(case.inputs["q"].size) % 24 - 16)
    case.inputs["q"] = Float8(glassbox.round_to(wide.reshape(case.inputs["q"].shape), form), dtype)
    for name in ("k", "v"):
        case.inputs[name] = Float8(glassbox.round_to(case.inputs[name], form), dtype)
    truth = glassbox.truth(**case.inputs)
    o = glassbox.round_to(truth.o, form)
    o.flat[:3] = [0.0, np.nan, -0.0]
    for outputs in ({"final_state": truth.final_state.astype(np.float32)}, {"o": Float8(o, dtype)}):
        glassbox.save(tmp_path / "case.npz", case.inputs, outputs)
        done = subprocess.run([os.environ["GLASSBOX"], "check", str(tmp_path / "case.npz"), "--profile", "ideal"],
                              capture_output=True, text=True)
        report = glassbox.check(case.inputs, outputs, profile="ideal")
        assert done.returncode == (0 if report.passed else 1), done.stdout + done.stderr
        for name, tensor in report.tensors.items():
            row = re.search(rf"^  {name} +(?:PASS|FAIL) +(\d+) +(\S+)", done.stdout, re.M)
            assert int(row.group(1)) == tensor.elements
            assert float(row.group(2)) == pytest.approx(tensor.worst, rel=1e-2)
        assert report.passed or f"{report.tensors['o'].nan} NaN" in done.stdout and report.tensors["o"].nan >= 1


@pytest.mark.skipif(not os.access(os.environ.get("GLASSBOX", ""), os.X_OK), reason="GLASSBOX names no program")
@pytest.mark.parametrize("dtype", ["bf16", "f16", "f32"])
def test_a_saved_case_is_judged_alike_by_the_program(tmp_path, dtype):
    case = glassbox.generate("mild", dtype=dtype, T=20, varlen=True, initial_state=True, reverse=True)
    case.inputs["scale"] = 0.3
    truth = glassbox.truth(**case.inputs)
    outputs = {"o": truth.o.astype(np.float16), "dg": truth.dg.astype(np.float32)}
    if dtype == "bf16":
        case.inputs.update({name: BFloat16(case.inputs[name]) for name in ("q", "k", "v", "do")})
        outputs["o"] = BFloat16(glassbox.round_to(truth.o, "bf16"))
    for error, status in ((0, 0), (1, 1)):
        outputs["dg"][0, 5, 1, 3] += error
        glassbox.save(tmp_path / "case.npz", case.inputs, outputs)
        done = subprocess.run([os.environ["GLASSBOX"], "check", str(tmp_path / "case.npz")], capture_output=True,
                              text=True)
        assert done.returncode == status, done.stdout + done.stderr
        assert glassbox.check(case.inputs, outputs).passed == (status == 0)
        assert f"profile {glassbox.check(case.inputs, outputs).profile}" in done.stdout
        worst = re.search(r"dg +(?:PASS|FAIL) +\d+ +(\S+)", done.stdout).group(1)
        assert float(worst) == pytest.approx(glassbox.check(case.inputs, outputs).tensors["dg"].worst, rel=1e-2)


def test_a_wrong_library_is_refused(tmp_path):
    source = tmp_path / "other.c"
    source.write_text("int glassbox_abi(void) { return 0; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(tmp_path / "other.so"), str(source)], check=True)
    done = subprocess.run([sys.executable, "-c", "import glassbox; glassbox.families()"], capture_output=True, text=True,
                          env={**os.environ, "GLASSBOX_LIBRARY": str(tmp_path / "other.so"), "PYTHONPATH": str(ROOT)})
    assert "libglassbox.so speaks version 0, this package version 4" in done.stderr
