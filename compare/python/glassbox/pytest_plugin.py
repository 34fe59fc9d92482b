# SPDX-License-Identifier: Apache-2.0
"""The pytest plug-in. It is active wherever the package is installed.

    def test_kernel(glassbox_case):                          # once per generated case
        case = glassbox_case
        o, final_state = kernel(**case.torch("cuda"))
        case.assert_accurate({"o": o, "final_state": final_state})

    def test_shape(glassbox):                                # the package itself, as a fixture
        glassbox.assert_accurate("gla", inputs, outputs)

    @pytest.mark.glassbox(families=["mild", "reset"], dtypes=["bf16", "f32"], T=128)    # which cases

--glassbox-level=quick   every family once, and once more in an awkward shape; the dtype bf16
--glassbox-level=full    five seeds of each, the dtypes bf16, f16, f32
--glassbox-seed=N        the first seed
--glassbox-save=DIR      failing cases are left there as files for the program glassbox
"""

import os

import pytest

LEVELS = {"quick": {"seeds": 1, "dtypes": ("bf16",)}, "full": {"seeds": 5, "dtypes": ("bf16", "f16", "f32")}}
AWKWARD = 64  # the chunk size whose neighbours make awkward shapes


def pytest_addoption(parser):
    group = parser.getgroup("glassbox", "certified truth for Gated Linear Attention")
    group.addoption("--glassbox-level", choices=sorted(LEVELS), default="quick", help="how many cases (default quick)")
    group.addoption("--glassbox-seed", type=int, default=1, metavar="N", help="first seed of the cases (default 1)")
    group.addoption("--glassbox-save", metavar="DIR", help="leave failing cases in DIR")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "glassbox(families=None, dtypes=None, **options): which cases the fixture glassbox_case runs over;"
                   " options are those of glassbox.generate")
    if config.getoption("--glassbox-save"):
        os.environ["GLASSBOX_SAVE"] = os.path.abspath(config.getoption("--glassbox-save"))


def pytest_report_header(config):
    return f"glassbox: level {config.getoption('--glassbox-level')}, seed {config.getoption('--glassbox-seed')}"


def cases(level, seed, families=None, dtypes=None, **options):
    """The cases of a level. With sizes or other options no awkward shapes are drawn beside them."""
    import glassbox

    for dtype in dtypes or LEVELS[level]["dtypes"]:
        for family in families or glassbox.families(options.get("mechanism", "gla")):
            for s in range(seed, seed + LEVELS[level]["seeds"]):
                yield glassbox.generate(family, dtype=dtype, seed=s, **options)
                if not options:
                    yield glassbox.generate(family, dtype=dtype, seed=s, awkward=AWKWARD)


def pytest_generate_tests(metafunc):
    if "glassbox_case" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("glassbox")
    level, seed = (metafunc.config.getoption(f"--glassbox-{name}") for name in ("level", "seed"))
    made = {case.id: case for case in cases(level, seed, **(marker.kwargs if marker else {}))}  # awkward may repeat
    metafunc.parametrize("glassbox_case", list(made.values()), ids=list(made))


@pytest.fixture(scope="session")
def glassbox():
    """The package glassbox."""
    import glassbox

    return glassbox
