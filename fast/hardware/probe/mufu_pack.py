#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packs what probe_mufu wrote: mufu_pack.py PROGRAM DIR OUT [MIB]

Each file of DIR, compressed by xz, goes into OUT/mufu_0.tar, mufu_1.tar, ... of at most MIB (15) each; manifest.json
gets the device, the sha256 of the program's SASS (cuobjdump --dump-sass) and of every file before compression, and the
SASS itself goes along. Needs nothing but Python's library.
"""
import concurrent.futures
import datetime
import hashlib
import io
import json
import lzma
import os
import pathlib
import subprocess
import sys
import tarfile


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"mufu_pack: {' '.join(command)}: {error}", file=sys.stderr)
        return b""


def compressed(path):
    data = path.read_bytes()
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
    if ".far." in path.name:
        filters.insert(0, {"id": lzma.FILTER_DELTA, "dist": 4})
    return path.name, hashlib.sha256(data).hexdigest(), len(data), lzma.compress(data, filters=filters)


def importance(path):
    """Checksums, then whole binades, then the rest: should the last archive not come back, the least is lost."""
    return (".checks." not in path.name, ".sample." in path.name or ".edges." in path.name, path.name)


def main(program, source, target, mib="15"):
    source, target, limit = pathlib.Path(source), pathlib.Path(target), float(mib) * 2**20
    sass = output("cuobjdump", "--dump-sass", program)
    (source / "probe_mufu.sass").write_bytes(sass)
    manifest = json.loads((source / "device.json").read_text())
    manifest["driver"] = output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").decode().strip()
    manifest["sass_sha256"] = hashlib.sha256(sass).hexdigest() if sass else None
    manifest["packed"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    manifest["files"] = {}
    archives, used = [], limit + 1
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, digest, size, data in pool.map(compressed, sorted(source.iterdir(), key=importance)):
            if used + len(data) + 2048 > limit:
                archives.append(tarfile.open(target / f"mufu_{len(archives)}.tar", "w"))
                used = 10240
            info = tarfile.TarInfo(name + ".xz")
            info.size = len(data)
            archives[-1].addfile(info, io.BytesIO(data))
            used += len(data) + 1024
            manifest["files"][name] = {"bytes": size, "sha256": digest}
    for archive in archives:
        archive.close()
    (target / "mufu_manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    for path in sorted(target.glob("mufu_*")):
        print(f"{path.stat().st_size:10d} {path.name}")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
