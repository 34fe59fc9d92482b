# SPDX-License-Identifier: Apache-2.0
"""tests/bench/peers.py: what it measures errors against, and its options. Times need a GPU and are not tested."""

import importlib.util
import pathlib

import pytest

import glassbox

torch = pytest.importorskip("torch", minversion="2.4")
PATH = pathlib.Path(__file__).resolve().parents[3] / "tests" / "bench" / "peers.py"


@pytest.fixture(scope="module")
def peers():
    spec = importlib.util.spec_from_file_location("peers", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("family", ["mild", "reset"])
def test_the_recurrence_is_the_truth(peers, family):
    case = glassbox.generate(family, dtype="f32", B=2, T=40, H=2, dk=8, dv=6)
    x = {name: torch.from_numpy(y) for name, y in case.inputs.items() if name != "dfinal_state"}
    truth = glassbox.truth(**x)
    for name, got in zip(("o", "dq", "dk", "dv", "dg"), peers.recurrence(*(x[n] for n in ("q", "k", "v", "g", "do")))):
        want = torch.from_numpy(truth[name])
        assert (got - want).norm() <= 1e-13 * want.norm(), name


def test_options_are_checked(peers, capsys):
    for wrong, said in ((["--peers", "ours"], "no peer 'ours'; there are: glassbox, precise, fla, cudnn, flash"),
                        (["--shapes", "8x2048x16x128"], "'8x2048x16x128' is not BxTxHxdkxdv")):
        with pytest.raises(SystemExit):
            peers.parse(wrong)
        assert said in capsys.readouterr().err
    options = peers.parse(["--shapes", "1x2x3x4x5,6x7x8x9x10", "--peers", "fla,glassbox"])
    assert options.shapes == [(1, 2, 3, 4, 5), (6, 7, 8, 9, 10)] and options.peers == ["fla", "glassbox"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU")
def test_without_a_gpu_it_says_so(peers, capsys):
    assert peers.main([]) == 77 and "no GPU" in capsys.readouterr().err
