# SPDX-License-Identifier: Apache-2.0
"""The pytest plug-in, on test files as users write them."""

import pathlib
import re

import pytest

import glassbox

ROOT = pathlib.Path(__file__).resolve().parents[1]

KERNEL = """
    import numpy as np
    import pytest

    @pytest.mark.glassbox(families=["mild", "integers"], dtypes=["f32"])
    def test_truth_is_right(glassbox_case, glassbox):
        truth = glassbox.truth(**glassbox_case.inputs)
        glassbox_case.assert_accurate({name: truth[name].astype(np.float32) for name in truth})

    @pytest.mark.glassbox(families=["mild"], dtypes=["f32"], T=10, backward=False)
    def test_zeros_are_wrong(glassbox_case):
        glassbox_case.assert_accurate({"o": np.zeros((1, 10, 3, 24), np.float32)})
"""


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("GLASSBOX_SAVE", raising=False)

    def run_on(text, *options):
        pytester.makepyfile(text)
        return pytester.runpytest_subprocess("-p", "glassbox.pytest_plugin", "-p", "no:cacheprovider", *options)

    return run_on


def test_cases_have_stable_ids(run):
    result = run(KERNEL, "--collect-only", "-q", "--glassbox-seed=7")
    result.stdout.fnmatch_lines(["*::test_truth_is_right[[]gla/mild/T67_H3_K20_V24/f32/s7]",
                                 "*::test_truth_is_right[[]gla/integers/T67_H3_K20_V24/f32/s7]",
                                 "*::test_zeros_are_wrong[[]gla/mild/T10_H3_K20_V24/f32/s7]"])
    assert result.ret == 0


def test_right_passes_and_wrong_fails(run):
    result = run(KERNEL)
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["glassbox: level quick, seed 1", "E*Tensor-likes are not close!",
                                 "E*Mismatched elements: * / 720*", "E*The failure occurred for item [[]o]",
                                 "FAILED *test_zeros_are_wrong[[]gla/mild/T10_H3_K20_V24/f32/s1]*"])


def test_a_failing_case_is_left_as_a_file(run, pytester):
    result = run(KERNEL, "--glassbox-save=failed", "-k", "zeros")
    result.assert_outcomes(failed=1, deselected=4)
    line = re.search(r"reproduce: glassbox check (\S+\.npz) --profile f32", result.stdout.str())
    assert pathlib.Path(line.group(1)).parent == pytester.path / "failed" and pathlib.Path(line.group(1)).exists()


def collected(result):
    return re.findall(r"::test_\w+\[(\S+)\]", result.stdout.str())


def test_quick_has_every_family_twice(run):
    ids = collected(run("def test_any(glassbox_case): pass", "-q", "--collect-only"))
    families = [id.split("/")[1] for id in ids]
    assert all(1 <= families.count(family) <= 2 for family in glassbox.families()) and len(ids) == len(set(ids))
    assert {id.split("/")[2] for id in ids if id.startswith("gla/mild/")} > {"T67_H3_K20_V24"}
    assert {id.split("/")[3] for id in ids} == {"bf16"}


def test_full_has_more_seeds_and_dtypes(run):
    test = """
        import pytest
        @pytest.mark.glassbox(families=["integers"])
        def test_any(glassbox_case): pass
    """
    ids = collected(run(test, "-q", "--collect-only", "--glassbox-level=full", "--glassbox-seed=3"))
    assert {id.split("/")[3] for id in ids} == {"bf16", "f16", "f32"}
    assert {id.split("/")[4] for id in ids} == {f"s{seed}" for seed in range(3, 8)}
    assert len(ids) == 3 * 5 * 2


def test_an_unknown_family_is_reported(run):
    result = run("""
        import pytest
        @pytest.mark.glassbox(families=["wild"])
        def test_any(glassbox_case): pass
    """)
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*no family \"wild\"*"])


def test_a_run_without_the_fixtures_loads_no_library(run, monkeypatch):
    monkeypatch.setenv("GLASSBOX_LIBRARY", "/nowhere/libglassbox.so")
    run("def test_other(): pass").assert_outcomes(passed=1)
    result = run("def test_ours(glassbox_case): pass")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*cannot load libglassbox.so: /nowhere/libglassbox.so*"])


def test_the_examples_run(run, pytester):
    for name in ("test_my_kernel.py", "test_my_torch_kernel.py"):
        pytester.makepyfile(**{name[:-3]: (ROOT / "examples" / name).read_text()})
    result = pytester.runpytest_subprocess("-p", "glassbox.pytest_plugin")
    outcomes = result.parseoutcomes()
    assert result.ret == 0 and outcomes["passed"] >= 5
