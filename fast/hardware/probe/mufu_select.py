#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps what the tests need of a device's record: mufu_select.py RECORD DATA

RECORD holds what mufu_pack.py made (mufu_0.tar, ..., mufu_manifest.json). DATA gets mufu_FUNCTION.npz: the checksums'
low 32 bits, the edges, and for the four table-fitted functions one binade ([1, 4) for rsq). Functions equal to another
on every word are kept once. Needs nothing but Python's library.
"""
import hashlib
import io
import json
import lzma
import pathlib
import struct
import sys
import tarfile
import zipfile

FUNCTIONS = ("ex2_ftz ex2 rcp_ftz rcp rsq_ftz rsq lg2_ftz lg2 "
             "expf exp_fast_ftz exp_triton exp2_poly exp_poly").split()
SAME = {"exp2f": "ex2", "exp_fast": "exp_triton"}
BINADES = {"ex2_ftz": ("1to2", 0), "rcp_ftz": ("1to2", 0), "rsq_ftz": ("1to4", 0), "lg2_ftz": ("halfto2", 1 << 23)}
PROVENANCE = "gpu capability driver compiler_cuda sass_sha256 date".split()
NPY_HEADER = 128


def records(folder):
    """name -> bytes of every .npy in the archives, checked against the manifest."""
    manifest = json.loads((folder / "mufu_manifest.json").read_text())
    found = {}
    for archive in sorted(folder.glob("mufu_*.tar")):
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.removesuffix(".xz")
                data = lzma.decompress(tar.extractfile(member).read())
                if hashlib.sha256(data).hexdigest() != manifest["files"][name]["sha256"]:
                    sys.exit(f"mufu_select: {archive}: {name} is not what the manifest says")
                found[name] = data
    return manifest, found


def npy(dtype, data, size):
    shape = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({len(data) // size},), }}"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", NPY_HEADER - 10) + shape.ljust(NPY_HEADER - 11).encode() + b"\n" + data


def low_halves(sums):
    words = struct.unpack(f"<{len(sums) // 4}I", sums)
    return struct.pack(f"<{len(words) // 2}I", *words[::2])


def binade(found, function):
    region, skip = BINADES[function]
    near = found[f"{function}.{region}.near.npy"][NPY_HEADER:]
    far = found[f"{function}.{region}.far.npy"][NPY_HEADER:]
    return near[skip:], far[4 * near[:skip].count(b"\x80"):]


def write(path, members):
    with zipfile.ZipFile(path, "w") as out:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            out.writestr(info, data, compresslevel=9)
    print(f"{path.stat().st_size:8d} {path}")


def main(folder, data):
    manifest, found = records(pathlib.Path(folder))
    for one, other in SAME.items():
        if found[f"{one}.checks.npy"] != found[f"{other}.checks.npy"]:
            sys.exit(f"mufu_select: {one} and {other} differ on this device: keep both")
    for function in FUNCTIONS:
        edges = [found[f"{function}.edges.{part}.npy"][NPY_HEADER:] for part in ("near", "far")]
        sums = low_halves(found[f"{function}.checks.npy"][NPY_HEADER:])
        members = {"checks.npy": npy("<u4", sums, 4), "edges_near.npy": npy("|i1", edges[0], 1),
                   "edges_far.npy": npy("<i4", edges[1], 4)}
        if function in BINADES:
            near, far = binade(found, function)
            members |= {"binade_near.npy": npy("|i1", near, 1), "binade_far.npy": npy("<i4", far, 4)}
        about = {"format": "glassbox mufu 2", "function": function} | {k: str(manifest[k]) for k in PROVENANCE}
        write(pathlib.Path(data) / f"mufu_{function}.npz", members | {"metadata.json": json.dumps(about)})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
