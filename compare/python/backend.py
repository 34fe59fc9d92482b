# SPDX-License-Identifier: Apache-2.0
"""Builds the wheel: the package, the shared libraries that `make` built, the metadata. Python's standard library only.

    python3 backend.py FOLDER          or, through pip:    python3 -m pip wheel --no-deps --no-build-isolation .

The same sources and libraries give the same bytes. They are $GLASSBOX_LIBRARY, else build/libglassbox.so, and, where
`make cuda` built it, $GLASSBOX_CUDA_LIBRARY, else libglassbox_cuda.so beside the first.
"""

import base64
import hashlib
import os
import pathlib
import re
import sys
import sysconfig
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DATE = (2020, 1, 1, 0, 0, 0)


def version():
    return re.search(r'define GLASSBOX_VERSION "(.*)"', (ROOT / "compare" / "cli.h").read_text()).group(1)


def library():
    path = pathlib.Path(os.environ.get("GLASSBOX_LIBRARY") or ROOT / "build" / "libglassbox.so")
    if not path.exists():
        sys.exit(f"glassbox: {path} is not there; `make build/libglassbox.so` builds it")
    return path


def cuda_library():
    """None where there is none: glassbox.torch then says so."""
    path = pathlib.Path(os.environ.get("GLASSBOX_CUDA_LIBRARY") or library().parent / "libglassbox_cuda.so")
    return path if path.exists() else None


def tag():
    return "py3-none-" + re.sub(r"[-.]", "_", sysconfig.get_platform())


def metadata():
    """The core metadata and the entry points, from pyproject.toml's few lines."""
    text = (HERE / "pyproject.toml").read_text()
    said = dict(re.findall(r'^([a-z-]+) = "(.*)"$', text, re.MULTILINE))
    needs = "".join(f"Requires-Dist: {x}\n" for x in re.findall(r'"([^"]+)"', re.search(r"^dependencies = (.*)$", text,
                                                                                      re.MULTILINE).group(1)))
    return (f"Metadata-Version: 2.1\nName: {said['name']}\nVersion: {version()}\nSummary: {said['description']}\n"
            f"License: Apache-2.0\nRequires-Python: {said['requires-python']}\n{needs}",
            f"[pytest11]\nglassbox = {said['glassbox']}\n")


def members():
    """(name in the wheel, bytes)."""
    for path in sorted((HERE / "glassbox").glob("*.py")):
        yield f"glassbox/{path.name}", path.read_bytes()
    yield "glassbox/libglassbox.so", library().read_bytes()
    if cuda_library():
        yield "glassbox/libglassbox_cuda.so", cuda_library().read_bytes()
    info, (core, entries) = f"glassbox-{version()}.dist-info", metadata()
    yield f"{info}/METADATA", core.encode()
    yield f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: glassbox\nRoot-Is-Purelib: false\nTag: {tag()}\n".encode()
    yield f"{info}/entry_points.txt", entries.encode()
    yield f"{info}/licenses/LICENSE", (ROOT / "LICENSE").read_bytes()


def record_line(name, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = f"glassbox-{version()}-{tag()}.whl"
    record = ""
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, data in members():
            wheel.writestr(zipfile.ZipInfo(member, DATE), data, zipfile.ZIP_DEFLATED)
            record += record_line(member, data)
        own = f"glassbox-{version()}.dist-info/RECORD"
        wheel.writestr(zipfile.ZipInfo(own, DATE), record + f"{own},,\n", zipfile.ZIP_DEFLATED)
    return name


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 backend.py FOLDER")
    os.makedirs(sys.argv[1], exist_ok=True)
    print(pathlib.Path(sys.argv[1]) / build_wheel(sys.argv[1]))
